// Devices: cpu, cuda
// Values: closed forms, the operator of second moments written out on the host, and figures of the prototype.
import { afterAll, describe, expect, it } from 'vitest';
import { sgdSecondMomentRadius, stabilityReport } from '../../lib/curvature/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { dense, diagonal, vector } from '../solvers/problems.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('stability on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const matrix = (n: number, d: number, seed: number, dtype: 'f32' | 'f64' = 'f64') =>
    Tensor.from(device, dtype === 'f64' ? normal(n * d, seed) : Float32Array.from(normal(n * d, seed)), [n, d]);

  it.each(['f32', 'f64'] as const)('is exact by a Jacobian of %s, tall or wide', async (dtype) => {
    // Orthogonal rows of lengths 1, 2, 3 over n = 3 samples: eigenvalues 1/3, 4/3, 3.
    const wide = Tensor.from(device, [0, 1, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0], [3, 4], { dtype });
    // Orthogonal columns of lengths √2 and √8 over n = 4: 1/2 and 2.
    const tall = Tensor.from(device, [1, 2, 1, -2, 0, 0, 0, 0], [4, 2], { dtype });
    const report = await stabilityReport({ jacobian: wide }, { lr: 0.5 });
    expect(report.trace).toBeCloseTo(14 / 3, 12);
    expect(report.lambdaMax).toBeCloseTo(3, 12);
    expect(report.frobenius).toBeCloseTo(Math.hypot(1, 4, 9) / 3, 12);
    expect(report).toMatchObject({ traceStderr: 0, sgdBound: 4, gdBound: 4, sgdStable: false, gdStable: true });
    expect(report).toMatchObject({ status: 'converged', iterations: 0 });
    expect(report.edge).toBeCloseTo((0.5 * 14) / 6, 12);
    const other = await stabilityReport({ jacobian: tall }, { lr: 0.79 });
    expect([other.trace, other.lambdaMax].map((x) => +x.toFixed(12))).toEqual([2.5, 2]);
    expect(other).toMatchObject({ sgdStable: true, gdStable: true });
    // For larger batches the bound of the trace says nothing, that of gradient descent does.
    expect((await stabilityReport({ jacobian: wide }, { lr: 0.5, batch: 2 })).sgdStable).toBe('uncertain');
    const fast = await stabilityReport({ jacobian: wide }, { lr: 0.7, batch: 2 });
    expect(fast).toMatchObject({ sgdStable: false, gdStable: false });
    const none = Tensor.zeros(device, [2, 2], { dtype });
    expect(await stabilityReport({ jacobian: none }, { lr: 1 })).toMatchObject({
      trace: 0,
      lambdaMax: 0,
      frobenius: 0,
      sgdStable: true,
    });
  });

  it.each(['f32', 'f64'] as const)('estimates by an operator of %s within its errors', async (dtype) => {
    const n = 60;
    const a = normal(n * n, 5).map((x) => x / 8);
    const rows = Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (_, j) => a[i * n + j]! + a[j * n + i]! + (i === j ? 3 : 0)),
    );
    const trace = rows.reduce((sum, row, i) => sum + row[i]!, 0);
    const square = rows.flat().reduce((sum, x) => sum + x * x, 0);
    const seen: number[] = [];
    const report = await stabilityReport(
      { operator: dense(device, rows, dtype) },
      { lr: 0.001, probes: 200, steps: 30, seed: 3, onProgress: ({ iterations }) => seen.push(iterations) },
    );
    expect(Math.abs(report.trace - trace)).toBeLessThan(4 * report.traceStderr);
    // The variance of one probe is twice the squares beside the diagonal.
    const beside = square - rows.reduce((sum, row, i) => sum + row[i]! ** 2, 0);
    expect(report.traceStderr / Math.sqrt((2 * beside) / 200)).toBeGreaterThan(0.8);
    expect(report.traceStderr / Math.sqrt((2 * beside) / 200)).toBeLessThan(1.25);
    expect(Math.abs(report.frobenius / Math.sqrt(square) - 1)).toBeLessThan(0.05);
    expect(report.iterations).toBe(230);
    expect([seen.length, seen[0], seen[199], seen.at(-1)]).toEqual([230, 1, 200, 30]);
    const all = Tensor.from(device, Float64Array.from(rows.flat()), [n, n]);
    const values = new Tensor(device, [n], 'f64');
    const info = new Tensor(device, [1], 'i32');
    ops.eigh(device, { matrix: all, values, info });
    expect(Math.abs(report.lambdaMax - (await values.read())[n - 1]!)).toBeLessThan(1e-3);
    // A trace that is within two errors of its bound decides nothing, but that of a diagonal, which has none.
    const near = { lr: 2 / report.trace, probes: 200, steps: 2, seed: 3 };
    expect((await stabilityReport({ operator: dense(device, rows, dtype) }, near)).sgdStable).toBe('uncertain');
    const exact = { operator: dense(device, diagonal([1, 2, 3]), dtype) };
    expect(await stabilityReport(exact, { lr: 1 / 3 })).toMatchObject({ trace: 6, traceStderr: 0, sgdStable: true });
    expect(await stabilityReport(exact, { lr: 0.34 })).toMatchObject({ sgdStable: false, gdStable: true });
    expect(await stabilityReport(exact, { lr: 0.7 })).toMatchObject({ sgdStable: false, gdStable: false });
  });

  it.each(['f32', 'f64'] as const)(
    'finds neither method to stay at a saddle or a maximum, by an operator of %s',
    async (dtype) => {
      const of = (values: readonly number[], batch = 1) =>
        stabilityReport({ operator: dense(device, diagonal(values), dtype) }, { lr: 0.1, batch });
      for (const values of [
        [-5, -1],
        [-50, 1],
        [1, 2, 3, -0.01],
      ])
        for (const batch of [1, 8])
          expect(await of(values, batch)).toMatchObject({ sgdStable: false, gdStable: false });
      for (const values of [
        [1, 2, 0],
        [0, 0],
        [1, 2, -1e-20],
      ])
        expect(await of(values)).toMatchObject({ sgdStable: true, gdStable: true });
      // Of rank 3 in 40 dimensions: eigenvalues of 0, as far as rounding goes.
      const factor = normal(3 * 40, 9);
      const rows = Array.from({ length: 40 }, (_, i) => Array.from({ length: 40 }, (_, j) => [0, 1, 2].reduce((sum, k) => sum + factor[k * 40 + i]! * factor[k * 40 + j]!, 0))); // biome-ignore format: one line
      expect((await stabilityReport({ operator: dense(device, rows, dtype) }, { lr: 1e-3 })).gdStable).toBe(true);
    },
  );

  /** The largest eigenvalue of the operator of second moments, by powers on the host. */
  function radiusByPowers(j: Float64Array, n: number, d: number, lr: number, batch: number): number {
    let m = Array.from({ length: d * d }, (_, at) => Number(at % (d + 1) === 0));
    const h = Array.from({ length: d * d }, (_, at) => {
      let sum = 0;
      for (let i = 0; i < n; ++i) sum += j[i * d + Math.floor(at / d)]! * j[i * d + (at % d)]!;
      return sum / n;
    });
    const times = (x: readonly number[], y: readonly number[]) =>
      Array.from({ length: d * d }, (_, at) => {
        let sum = 0;
        for (let k = 0; k < d; ++k) sum += x[Math.floor(at / d) * d + k]! * y[k * d + (at % d)]!;
        return sum;
      });
    const step = h.map((x, at) => Number(at % (d + 1) === 0) - lr * x);
    let radius = 0;
    for (let round = 0; round < 3000; ++round) {
      const next = times(times(step, m), step);
      const hmh = times(times(h, m), h);
      for (let at = 0; at < d * d; ++at) next[at]! -= ((lr * lr) / batch) * hmh[at]!;
      for (let i = 0; i < n; ++i) {
        const g = j.subarray(i * d, (i + 1) * d);
        let form = 0;
        for (let a = 0; a < d; ++a) for (let b = 0; b < d; ++b) form += g[a]! * m[a * d + b]! * g[b]!;
        for (let at = 0; at < d * d; ++at)
          next[at]! += ((lr * lr) / (batch * n)) * form * g[Math.floor(at / d)]! * g[at % d]!;
      }
      radius = Math.hypot(...next) / Math.hypot(...m);
      m = next.map((x) => x / Math.hypot(...next));
    }
    return radius;
  }

  it('has the spectral radius of the operator of second moments', async () => {
    const jacobian = matrix(12, 4, 7);
    const host = normal(48, 7);
    for (const [lr, batch] of [
      [0.1, 1],
      [0.6, 1],
      [0.9, 4],
    ] as const) {
      // biome-ignore format: one line
      const found = await sgdSecondMomentRadius(jacobian, { lr, batch });
      expect(Math.abs(found / radiusByPowers(host, 12, 4, lr, batch) - 1)).toBeLessThan(1e-9);
    }
    // One sample: (1 − ηg²)² of batches of any size; directions that nothing depends on are left out.
    const single = Tensor.from(device, [3, 0, 4, 0], [1, 4]);
    for (const batch of [1, 8])
      expect(await sgdSecondMomentRadius(single, { lr: 0.1, batch })).toBeCloseTo((1 - 0.1 * 25) ** 2, 12);
    expect(await sgdSecondMomentRadius(Tensor.zeros(device, [3, 2]), { lr: 0.1 })).toBe(0);
  });

  it('finds SGD stable up to a rate below that of its trace, far below that of gradient descent', async () => {
    for (const seed of kind === 'cuda' ? [1] : [1, 2, 3, 4, 5, 6]) {
      const jacobian = matrix(20, 5, seed);
      const { trace, lambdaMax } = await stabilityReport({ jacobian }, { lr: 1 });
      let [low, high] = [0, 2 / lambdaMax];
      for (let round = 0; round < 34; ++round) {
        const lr = (low + high) / 2;
        if ((await sgdSecondMomentRadius(jacobian, { lr })) <= 1) low = lr;
        else high = lr;
      }
      expect(Math.abs((await sgdSecondMomentRadius(jacobian, { lr: low })) - 1)).toBeLessThan(1e-9);
      expect((low * trace) / 2).toBeLessThanOrEqual(1);
      expect((low * trace) / 2).toBeGreaterThan(0.2);
      expect(2 / lambdaMax / low).toBeGreaterThan(1.5);
    }
  });

  it('with batches of four stays beyond the bound of the trace, within that of the Frobenius norm', async () => {
    const edges: number[] = [];
    for (const seed of kind === 'cuda' ? [1] : [1, 2, 3, 4, 5, 6]) {
      const jacobian = matrix(20, 5, seed);
      const { trace, frobenius, lambdaMax } = await stabilityReport({ jacobian }, { lr: 1 });
      let [low, high] = [0, 2 / lambdaMax];
      for (let round = 0; round < 20; ++round) {
        const lr = (low + high) / 2;
        if ((await sgdSecondMomentRadius(jacobian, { lr, batch: 4 })) <= 1) low = lr;
        else high = lr;
      }
      edges.push((low * trace) / 2);
      // Seen, and not proved: the prototype had 1.66 at most.
      expect(low * frobenius).toBeLessThan(2);
      expect((await stabilityReport({ jacobian }, { lr: low, batch: 4 })).sgdStable).toBe('uncertain');
    }
    expect(Math.max(...edges)).toBeGreaterThan(1);
  });

  it('for larger batches the trace may be beyond its bound, which is then not applied', async () => {
    const jacobian = matrix(20, 5, 1);
    const { trace } = await stabilityReport({ jacobian }, { lr: 1 });
    const lr = 2.4 / trace;
    expect(await sgdSecondMomentRadius(jacobian, { lr, batch: 16 })).toBeLessThan(1);
    expect((await stabilityReport({ jacobian }, { lr, batch: 16 })).sgdStable).toBe('uncertain');
    expect((await stabilityReport({ jacobian }, { lr })).sgdStable).toBe(false);
  });

  it('names what goes wrong', async () => {
    const good = { jacobian: matrix(3, 2, 1) };
    const rejected = (call: Promise<unknown>) => expect(call).rejects;
    await rejected(stabilityReport({} as never, { lr: 1 })).toThrow(
      'stabilityReport: source must have a jacobian or an operator, got another one',
    );
    const both = { ...good, operator: dense(device, [[1]]) };
    await rejected(stabilityReport(both as never, { lr: 1 })).toMatchObject({ code: 'ERR_ARGUMENT' });
    await rejected(stabilityReport(5 as never, { lr: 1 })).toMatchObject({ code: 'ERR_ARGUMENT' });
    for (const options of [{}, { lr: 0 }, { lr: Infinity }, { lr: 1, probes: 1 }, { lr: 1, batch: 0 }])
      await rejected(stabilityReport(good, options as { lr: number })).toMatchObject({ code: 'ERR_ARGUMENT' });
    await rejected(stabilityReport({ jacobian: vector(device, [1]) }, { lr: 1 })).toMatchObject({ code: 'ERR_SHAPE' });
    const empty = Tensor.zeros(device, [0, 3]);
    await rejected(stabilityReport({ jacobian: empty }, { lr: 1 })).toMatchObject({ code: 'ERR_SHAPE' });
    await rejected(sgdSecondMomentRadius(empty, { lr: 1 })).toMatchObject({ code: 'ERR_SHAPE' });
    const wide = Tensor.zeros(device, [2, 65]);
    await rejected(sgdSecondMomentRadius(wide, { lr: 1 })).toThrow(
      'sgdSecondMomentRadius: jacobian must have at most 64 columns, got 65',
    );
    for (const value of [Number.NaN, Infinity, 1e200]) {
      const jacobian = Tensor.from(device, Float64Array.of(1, value), [1, 2]);
      const words = 'must have finite squares, got';
      await rejected(stabilityReport({ jacobian }, { lr: 1 })).toThrow(`stabilityReport: source.jacobian ${words}`);
      await rejected(sgdSecondMomentRadius(jacobian, { lr: 1 })).toThrow(`sgdSecondMomentRadius: jacobian ${words}`);
    }
    const nan = {
      ...dense(device, [[1]]),
      apply: (_: Tensor, out: Tensor) => ops.fill(device, { x: [out], value: NaN }),
    };
    await rejected(stabilityReport({ operator: nan }, { lr: 1 })).toThrow(
      'stabilityReport: operator.apply must give finite numbers, got NaN',
    );
  });
});
