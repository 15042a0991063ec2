// Devices: cpu, cuda
// Values: operators that are symmetric, and some that are not.
import { afterAll, describe, expect, it } from 'vitest';
import { cdmSolve, ritzDataset } from '../../lib/constrained/index.ts';
import { LanczosLrLearner, stabilityReport } from '../../lib/curvature/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { blockLanczos, cg, lanczos, minres, slq } from '../../lib/solvers/index.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { dense, vector } from './problems.ts';

describe.each(devices)('operators that are to be symmetric on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const n = 20;
  const rows = (skew: number) => {
    const x = normal(n * n, 1);
    const half = (i: number, j: number) => x[i * n + j]! + x[j * n + i]! + (i === j ? 40 : 0);
    return Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => half(i, j) + (i < j ? skew : 0)));
  };

  it.each(['f32', 'f64'] as const)('are refused if they are not, where that is asked: %s', async (dtype) => {
    const b = vector(device, [...normal(n, 2)], dtype);
    const itself = (r: Tensor, out: Tensor) => ops.copy(device, { x: [r], out: [out] });
    const [good, bad] = [dense(device, rows(0), dtype), dense(device, rows(0.1), dtype)];
    const calls = [
      (of: typeof good, checkSymmetry: boolean) => cg(of, b, { checkSymmetry }),
      (of: typeof good, checkSymmetry: boolean) => minres(of, b, { checkSymmetry }),
      (of: typeof good, checkSymmetry: boolean) => lanczos(of, { steps: 5, checkSymmetry }),
      (of: typeof good, checkSymmetry: boolean) => blockLanczos(of, { steps: 5, checkSymmetry }),
      (of: typeof good, checkSymmetry: boolean) => slq(of, (x) => x, { steps: 3, probes: 2, checkSymmetry }),
      (of: typeof good, checkSymmetry: boolean) => cdmSolve(of, b, itself, { checkSymmetry }),
      (of: typeof good, checkSymmetry: boolean) => ritzDataset(of, { vectors: 3, samples: 2, checkSymmetry }),
      (of: typeof good, checkSymmetry: boolean) =>
        stabilityReport({ operator: of }, { lr: 1, probes: 2, steps: 3, checkSymmetry }),
      (of: typeof good, checkSymmetry: boolean) =>
        new LanczosLrLearner({ mode: 'sgd', steps: 3, checkSymmetry }).observe(0, of),
    ];
    for (const call of calls) {
      expect(await call(good, true)).not.toMatchObject({ status: 'breakdown' });
      await expect(call(bad, true)).rejects.toThrow(/operator must be symmetric, got/);
      await call(bad, false);
    }
    const before = good.count;
    await lanczos(good, { steps: 5, checkSymmetry: true });
    expect(good.count - before).toBe(8);
  });
});

describe.each(onlyCpu)('long operators that are to be symmetric on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const run = async (n: number, product: (x: Float32Array, out: Float32Array) => void) => {
    const operator = {
      device,
      dtype: 'f32' as const,
      shape: [n, n] as const,
      async apply(x: Tensor, out: Tensor) {
        const values = new Float32Array(n);
        product((await x.read()) as Float32Array, values);
        out.write(values);
      },
    };
    using b = Tensor.full(device, [n], 1);
    const { x } = await minres(operator, b, { checkSymmetry: true, maxIterations: 1 });
    x.dispose();
  };
  /** 4 x + forward · the next element + backward · the one before. */
  const shifts = (forward: number, backward: number) => (x: Float32Array, out: Float32Array) => {
    for (let i = 0; i < x.length; ++i) out[i] = 4 * x[i]! + forward * (x[i + 1] ?? 0) + backward * (x[i - 1] ?? 0);
  };

  it.each([1e3, 2e4, 1e5, 2e5, 4e5])('are refused for a small part that is not: %i elements', async (n) => {
    for (const skew of [0.1, 1]) await expect(run(n, shifts(skew, -skew))).rejects.toThrow(/must be symmetric/);
  });

  it('are taken with products that round', async () => {
    for (const n of [3, 100, 4e5]) {
      await run(n, shifts(0.1, 0.1));
      const u = Float32Array.from(normal(n, 1));
      // u uᵀ x, summed from one end in f32.
      await run(n, (x, out) => {
        let sum = 0;
        for (let i = 0; i < n; ++i) sum = Math.fround(sum + Math.fround(u[i]! * x[i]!));
        for (let i = 0; i < n; ++i) out[i] = u[i]! * sum;
      });
    }
    // A full matrix, summed from one end in f32.
    const n = 800;
    const a = Float32Array.from(normal(n * n, 2));
    await run(n, (x, out) => {
      for (let i = 0; i < n; ++i) {
        let sum = 0;
        for (let j = 0; j < n; ++j)
          sum = Math.fround(sum + Math.fround(a[Math.min(i, j) * n + Math.max(i, j)]! * x[j]!));
        out[i] = sum;
      }
    });
  });
});
