// Devices: cpu, cuda
// Axes: products
// The polar factor to rounding: `method: 'polar'` of orthogonalize, `nsMethod: 'polar'` of the optimizers.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, HybridAuON, Muon, NorMuon, ops, orthogonalize, Tensor, Trion } from '../../lib/index.ts';
import { gemm } from '../reference/gemm.ts';
import { newtonSchulz } from '../reference/newton-schulz.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { thrownBy } from '../support/tensors.ts';
import { numbers, tensor } from './classes.ts';

const shapes = [
  [1, 1],
  [1, 9],
  [9, 1],
  [2, 3],
  [9, 9],
  [6, 20],
  [20, 6],
] as const;
// Every singular value converges to 1.
const convergent = Array.from({ length: 60 }, () => [1.875, -1.25, 0.375]).flat();

const made = new Map<string, Float64Array>();

/** The rows of a matrix, each without its part along those before it, twice, and of length 1. */
function gramSchmidt(x: Float64Array, count: number, size: number): Float64Array {
  const rows = Array.from({ length: count }, (_, i) => x.slice(i * size, (i + 1) * size));
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, k) => sum + value * b[k]!, 0);
  for (const [i, row] of rows.entries()) {
    for (let pass = 0; pass < 2; ++pass)
      for (const other of rows.slice(0, i)) {
        const along = dot(row, other);
        for (let k = 0; k < size; ++k) row[k]! -= along * other[k]!;
      }
    const length = Math.sqrt(dot(row, row));
    for (let k = 0; k < size; ++k) row[k]! /= length;
  }
  return Float64Array.from(rows.flatMap((row) => [...row]));
}

/** Orthonormal vectors: `count` of length `size`, one after the other. */
function orthonormal(count: number, size: number, seed: number): Float64Array {
  const key = `${count} ${size} ${seed}`;
  const make =
    count < 50 ? (x: Float64Array) => newtonSchulz(x, count, size, { coefficients: convergent }) : gramSchmidt;
  const vectors = made.get(key) ?? make(normal(count * size, seed), count, size);
  made.set(key, vectors);
  return vectors;
}

/** A matrix with singular values from 1 down to 1 / condition, in equal ratios. */
function conditioned(rows: number, columns: number, condition: number): Float64Array {
  const k = Math.min(rows, columns);
  const left = orthonormal(k, rows, 1);
  const right = orthonormal(k, columns, 2).map(
    (x, i) => x * (k > 1 ? condition ** (-Math.floor(i / columns) / (k - 1)) : 1),
  );
  return gemm({ rows, columns, inner: k, transA: true }, left, right, []);
}

/** The largest entry of |QᵀQ − I|, or |Q Qᵀ − I| of a wide Q. */
function unorthogonality(q: readonly number[], rows: number, columns: number): number {
  const [k, tall] = [Math.min(rows, columns), rows > columns];
  const both = { rows: k, columns: k, inner: Math.max(rows, columns), transA: tall, transB: !tall };
  return Math.max(...gemm(both, q, q, []).map((x, i) => Math.abs(x - (i % (k + 1) === 0 ? 1 : 0))));
}

describe.each(devices)('the polar factor on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    ['f32', 1e6, 2e-6],
    ['f64', 1e12, 1e-13],
  ] as const)('is orthogonal in %s for condition number %d', async (dtype, condition, most) => {
    // On the emulated device a product of this size takes minutes.
    const large = kind === 'cpu' ? ([[128, 256], [256, 128]] as const) : []; // biome-ignore format: one line
    for (const [m, n] of [...shapes, ...large])
      for (const scale of dtype === 'f32' ? [1e-30, 1e30] : [1e-290, 1e290]) {
        const x = Tensor.from(
          device,
          conditioned(m, n, condition).map((v) => v * scale),
          [m, n],
        ).cast(dtype);
        const q = await numbers(orthogonalize(x, { method: 'polar' }));
        expect(unorthogonality(q, m, n), `${m} × ${n}, ${scale}`).toBeLessThanOrEqual(most);
      }
  });

  it('is that of the definition', async () => {
    for (const [m, n] of shapes) {
      const data = normal(m * n, 3);
      const exact = newtonSchulz(data, m, n, { coefficients: convergent, eps: 0 });
      const x = Tensor.from(device, data, [m, n]);
      const worst = (q: number[]): number => Math.max(...q.map((v, k) => Math.abs(v - exact[k]!)));
      expect(worst(await numbers(orthogonalize(x, { method: 'polar' })))).toBeLessThan(1e-11);
      expect(worst(await numbers(orthogonalize(x.cast('f32'), { method: 'polar' })))).toBeLessThan(2e-4);
      // A precision of its own, and a norm with something added, change no more than rounding.
      if (m !== n) continue;
      const wide = orthogonalize(x.cast('f32'), { method: 'polar', dtype: 'f64' });
      expect(worst(await numbers(wide))).toBeLessThan(1e-5);
      expect(worst(await numbers(orthogonalize(x, { method: 'polar', eps: 0.1 })))).toBeLessThan(1e-11);
    }
  });

  it.each(['f32', 'f64'] as const)('of %s keeps zeros, and directions of length 0', async (dtype) => {
    const zeros = await numbers(orthogonalize(Tensor.zeros(device, [3, 5], { dtype }), { method: 'polar' }));
    expect(zeros).toEqual(Array(15).fill(0));
    // Rows 1 and 3 are zero, and so they stay; the others are a matrix of their own.
    const rows = orthonormal(2, 6, 1).map((v, i) => v * (i < 6 ? 3 : 0.5));
    const x = Tensor.from(
      device,
      [...rows.slice(0, 6), ...Array(6).fill(0), ...rows.slice(6), ...Array(6).fill(0)],
      [4, 6],
    );
    const q = await numbers(orthogonalize(x.cast(dtype), { method: 'polar' }));
    expect([...q.slice(6, 12), ...q.slice(18)]).toEqual(Array(12).fill(0));
    expect(unorthogonality([...q.slice(0, 6), ...q.slice(12, 18)], 2, 6)).toBeLessThan(2e-6);
    // Of rank 1 by rounding: nothing grows beyond 1.
    const [u, v] = [normal(20, 1), normal(30, 2)];
    const outer = Tensor.from(
      device,
      Float64Array.from({ length: 600 }, (_, i) => u[Math.floor(i / 30)]! * v[i % 30]!),
      [20, 30],
    );
    const o = await numbers(orthogonalize(outer.cast(dtype), { method: 'polar' }));
    for (let row = 0; row < 20; ++row) expect(Math.hypot(...o.slice(30 * row, 30 * row + 30))).toBeLessThan(1 + 1e-6);
  });

  it.each([Muon, NorMuon, HybridAuON, Trion])('is what %o moves by', async (Class) => {
    for (const scale of [1e-30, 1e30]) {
      const grads = (
        [
          ['f32', 12, 5],
          ['f32', 3, 7],
          ['f64', 12, 5],
        ] as const
      ).map(([dtype, m, n], i) =>
        Tensor.from(
          device,
          normal(m * n, i).map((x) => x * scale),
          [m, n],
        ).cast(dtype),
      );
      const of = async (options: object, eps: object): Promise<number[][]> => {
        const weights = grads.map(({ shape, dtype }) => Tensor.zeros(device, shape, { dtype }));
        const optimizer = new Class(weights, { lr: 1, momentum: 0, ...options, ...eps });
        optimizer.step(grads);
        expect((await optimizer.report()).nonFinite).toBe(0);
        return Promise.all(weights.map(numbers));
      };
      const rows = convergent.map((_, i) => convergent.slice(3 * i, 3 * i + 3)).slice(0, 14);
      const expected = await of({ coefficients: rows, nsSteps: 14 }, Class === NorMuon ? { nsEps: 0 } : { eps: 0 });
      for (const [i, weight] of (await of({ nsMethod: 'polar' }, {})).entries())
        for (const [k, x] of weight.entries()) expect(Math.abs(x - expected[i]![k]!)).toBeLessThan(2e-4);
    }
  });

  it('takes no steps of the caller, and no 16 bits', () => {
    const x = tensor(device, [4, 5], 1);
    const out = Tensor.zeros(device, [4, 5]);
    const fields = { x, out, method: 'polar' } as const;
    expect(thrownBy(() => ops.newtonSchulz(device, { ...fields, coefficients: [1.5, -0.5, 0] }))).toMatchObject({
      code: 'ERR_ARGUMENT',
    });
    expect(thrownBy(() => ops.newtonSchulz(device, { ...fields, dtype: 'bf16' }))).toMatchObject({
      code: 'ERR_ARGUMENT',
    });
  });
});
