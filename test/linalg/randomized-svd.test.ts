// Devices: cpu, cuda
// Values: of NumPy, scripts/golden/randomized_svd.py
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { qr, randomizedSvd, svd } from '../../lib/linalg/index.ts';
import { normal } from '../support/data.ts';
import { expectNear, expectOrthonormal, largest, multiply, transposed } from '../support/dense.ts';
import { devices } from '../support/devices.ts';
import { spacing } from '../support/dtypes.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

interface Golden {
  readonly shape: readonly [number, number];
  readonly rank: number;
  /** The matrix, its largest singular values, and the nearest matrix of that rank. */
  readonly x: readonly number[];
  readonly s: readonly number[];
  readonly best: readonly number[];
}
const golden: readonly Golden[] = JSON.parse(
  readFileSync(new URL('../golden/randomized-svd.json', import.meta.url), 'utf8'),
).problems;

const errorOf = async (call: Promise<unknown>): Promise<{ code: string; message: string }> => {
  const { code, message } = (await call.catch((error) => error)) as { code: string; message: string };
  return { code, message };
};

describe.each(devices)('randomizedSvd on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** U·diag(s)·Vᵀ of orthonormal factors that are drawn. */
  async function withValues(
    rows: number,
    columns: number,
    values: readonly number[],
    seed: number,
  ): Promise<Float64Array> {
    const factor = async (side: number, own: number) =>
      valuesOf((await qr(tensorOf(device, normal(side * values.length, own), [side, values.length], 'f64'))).q);
    const [u, v] = [await factor(rows, seed), await factor(columns, seed + 1)];
    const scaled = u.map((x, i) => x * values[i % values.length]!);
    return multiply(scaled, transposed(v, values.length), values.length);
  }
  /** U·diag(s)·Vᵀ of what was found. */
  async function product({ u, s, v }: { u: Tensor; s: Tensor; v: Tensor }): Promise<Float64Array> {
    const rank = s.size;
    const values = await valuesOf(s);
    return multiply(
      (await valuesOf(u)).map((x, i) => x * values[i % rank]!),
      transposed(await valuesOf(v), rank),
      rank,
    );
  }
  const operatorOf = (a: Tensor) => {
    const [m, n] = a.shape as [number, number];
    const times = (x: Tensor, out: Tensor, transA: 'none' | 'transposed') => {
      using b = x.reshape([x.size, 1]);
      using c = out.reshape([out.size, 1]);
      ops.gemm(device, { a, b, c, transA });
    };
    return {
      device,
      dtype: a.dtype,
      shape: [m, n] as const,
      apply: (x: Tensor, out: Tensor) => times(x, out, 'none'),
      adjoint: (y: Tensor, out: Tensor) => times(y, out, 'transposed'),
    };
  };

  it.each([
    [1, 1],
    [1, 7],
    [7, 1],
    [2, 3],
    [3, 2],
    [5, 5],
    [40, 3],
    [3, 40],
  ])('with default options is the svd of [%i, %i] at full rank', async (m, n) => {
    for (const dtype of ['f32', 'f64'] as const) {
      const rank = Math.min(m, n);
      const numbers = normal(m * n, 7);
      const x = tensorOf(device, numbers, [m, n], dtype);
      const result = await randomizedSvd(x, { rank });
      expect([result.u.shape, result.s.shape, result.v.shape]).toEqual([[m, rank], [rank], [n, rank]]);
      expect([result.u.dtype, result.s.dtype, result.v.dtype]).toEqual([dtype, dtype, dtype]);
      expectNear(await valuesOf(result.s), await valuesOf((await svd(x)).s), dtype, 60);
      expectNear(await product(result), await valuesOf(x), dtype, 60);
      expectOrthonormal(await valuesOf(result.u), rank, dtype, 40);
      expectOrthonormal(await valuesOf(result.v), rank, dtype, 40);
    }
  });

  it.each(['f64', 'f32'] as const)('has the values of NumPy, %s', async (dtype) => {
    for (const { shape, rank, x, s, best } of golden) {
      const result = await randomizedSvd(tensorOf(device, x, shape, dtype), { rank });
      expectNear(await valuesOf(result.s), s, dtype, 30);
      expectNear(await product(result), best, dtype, 30);
    }
  });

  it.each([
    [300, 20],
    [20, 300],
    [90, 110],
  ])('finds singular values that are known, of [%i, %i]', async (m, n) => {
    const values = Array.from({ length: 20 }, (_, i) => 0.5 ** i);
    const x = await withValues(m, n, values, 31);
    const result = await randomizedSvd(tensorOf(device, x, [m, n], 'f64'), { rank: 5 });
    expectNear(await valuesOf(result.s), values.slice(0, 5), 'f64', 100);
    expectOrthonormal(await valuesOf(result.u), 5, 'f64', 40);
    expectOrthonormal(await valuesOf(result.v), 5, 'f64', 40);
    // The rest is that of the best matrix of rank 5, whose norm is the sixth singular value.
    const left = (await product(result)).map((value, i) => x[i]! - value);
    const rest = (await valuesOf((await svd(tensorOf(device, left, [m, n], 'f64'))).s))[0]!;
    expect(rest).toBeGreaterThan(values[5]! * (1 - 1e-12));
    expect(rest).toBeLessThan(values[5]! * (1 + 1e-6));
  });

  it('errs less with power and oversampling, and never by more than Halko, Martinsson and Tropp allow', async () => {
    const [m, n, rank] = [80, 60, 6];
    const values = Array.from({ length: 60 }, (_, i) => 1 / (1 + i));
    const x = await withValues(m, n, values, 5);
    const errorWith = async (power: number, oversample: number) => {
      const found = await product(await randomizedSvd(tensorOf(device, x, [m, n], 'f64'), { rank, power, oversample }));
      const left = found.map((value, i) => x[i]! - value);
      return (await valuesOf((await svd(tensorOf(device, left, [m, n], 'f64'), { vectors: false })).s))[0]!;
    };
    const [rough, fine, wide] = [await errorWith(0, 2), await errorWith(3, 2), await errorWith(3, 20)];
    expect(rough).toBeGreaterThan(fine);
    expect(fine).toBeGreaterThan(wide);
    expect(wide).toBeLessThan(values[rank]! * 1.02);
    // Their theorem 10.8 with t = u = 4 and p = 4: it fails with probability 1e-3 at most.
    const p = 4;
    const tail = Math.hypot(...values.slice(rank));
    const bound =
      (1 + 4 * Math.sqrt((12 * rank) / p)) * values[rank]! + ((4 * Math.E * Math.sqrt(rank + p)) / (p + 1)) * tail * 5;
    expect(await errorWith(0, p)).toBeLessThan(bound);
  });

  it('takes matrices of lower rank than asked for, zeros and sizes of any scale', async () => {
    const zero = await randomizedSvd(Tensor.zeros(device, [4, 6], { dtype: 'f64' }), { rank: 3 });
    expect(await valuesOf(zero.s)).toEqual(new Float64Array(3));
    expectOrthonormal(await valuesOf(zero.u), 3, 'f64', 10);
    expectOrthonormal(await valuesOf(zero.v), 3, 'f64', 10);
    for (const scale of [1e-150, 1, 1e150]) {
      const x = (await withValues(30, 25, [3, 2], 11)).map((value) => value * scale);
      const result = await randomizedSvd(tensorOf(device, x, [30, 25], 'f64'), { rank: 4 });
      const s = await valuesOf(result.s);
      expect(Math.abs(s[0]! / scale - 3)).toBeLessThan(1e-13);
      expect(Math.abs(s[1]! / scale - 2)).toBeLessThan(1e-13);
      expect(Math.max(s[2]!, s[3]!)).toBeLessThan(1e-14 * scale);
      expectNear(await product(result), x, 'f64', 60);
      expectOrthonormal(await valuesOf(result.u), 4, 'f64', 40);
    }
  });

  it('takes each matrix of a batch as it would alone', async () => {
    const numbers = normal(3 * 12 * 9, 3);
    const whole = await randomizedSvd(tensorOf(device, numbers, [3, 12, 9], 'f64'), { rank: 4, oversample: 5 });
    expect([whole.u.shape, whole.s.shape, whole.v.shape]).toEqual([[3, 12, 4], [3, 4], [3, 9, 4]]); // biome-ignore format: one line
    const exact = await valuesOf((await svd(tensorOf(device, numbers, [3, 12, 9], 'f64'))).s);
    for (let i = 0; i < 3; ++i) {
      const s = (await valuesOf(whole.s)).slice(4 * i, 4 * i + 4);
      expectNear(s, exact.slice(9 * i, 9 * i + 4), 'f64', 100);
      const part = { u: whole.u.rows(i, i + 1), s: whole.s.rows(i, i + 1), v: whole.v.rows(i, i + 1) };
      expectOrthonormal(await valuesOf(part.u), 4, 'f64', 40);
      expectOrthonormal(await valuesOf(part.v), 4, 'f64', 40);
    }
  });

  it('of an operator is that of its matrix; one seed has one result', async () => {
    const numbers = normal(11 * 8, 21);
    const a = tensorOf(device, numbers, [11, 8], 'f64');
    const { live: before } = await settledMemory(device);
    const [first, again, other] = [
      await randomizedSvd(a, { rank: 3 }),
      await randomizedSvd(a, { rank: 3, seed: 0 }),
      await randomizedSvd(operatorOf(a), { rank: 3 }),
    ];
    for (const key of ['u', 's', 'v'] as const) {
      expect(await first[key].read()).toEqual(await again[key].read());
      const [expected, actual] = [await valuesOf(first[key]), await valuesOf(other[key])];
      const most = 1e-12 + 40 * spacing(largest(expected), 'f64');
      for (const [i, value] of expected.entries())
        expect(Math.abs(Math.abs(value) - Math.abs(actual[i]!))).toBeLessThan(most);
    }
    const seeded = await randomizedSvd(a, { rank: 3, oversample: 0, power: 0, seed: 5 });
    expect(await valuesOf(seeded.s)).not.toEqual(await valuesOf(first.s));
    for (const { u, s, v } of [first, again, other, seeded]) for (const tensor of [u, s, v]) tensor.dispose();
    expect(device.info.memory.live).toBe(before);
  });

  it('refuses what does not fit, and leaves nothing behind', async () => {
    using x = tensorOf(device, normal(12, 1), [4, 3], 'f64');
    using nan = tensorOf(device, [1, NaN, 1, 1], [2, 2], 'f64');
    using flat = Tensor.zeros(device, [3]);
    using half = Tensor.zeros(device, [2, 2], { dtype: 'bf16' });
    using infinite = tensorOf(device, [1, Infinity, 1, 1], [2, 2], 'f64');
    const { live: before } = await settledMemory(device);
    const operator = operatorOf(x);
    const cases: [() => Promise<unknown>, string, string][] = [
      [() => randomizedSvd(x, {} as never), 'ERR_ARGUMENT', 'randomizedSvd: rank must be a whole number from 1 on, got undefined'],
      [() => randomizedSvd(x, { rank: 4 }), 'ERR_ARGUMENT', 'randomizedSvd: rank must be a whole number from 1 to 3, the smaller side, got 4'],
      [() => randomizedSvd(x, { rank: 1, oversample: -1 }), 'ERR_ARGUMENT', 'randomizedSvd: oversample must be a whole number from 0 on, got -1'],
      [() => randomizedSvd(x, { rank: 1, power: 0.5 }), 'ERR_ARGUMENT', 'randomizedSvd: power must be a whole number from 0 to 100, got 0.5'],
      [() => randomizedSvd(nan, { rank: 1 }), 'ERR_ARGUMENT', 'randomizedSvd: x must be finite, got NaN or infinity'],
      [() => randomizedSvd(infinite, { rank: 1 }), 'ERR_ARGUMENT', 'randomizedSvd: x must be finite, got NaN or infinity'],
      [() => randomizedSvd(flat, { rank: 1 }), 'ERR_SHAPE', 'randomizedSvd: x must be a matrix or a batch of matrices, got [3]'],
      [() => randomizedSvd(half, { rank: 1 }), 'ERR_DTYPE', 'randomizedSvd: x must be f32 or f64, got bf16'],
      [() => randomizedSvd(3 as never, { rank: 1 }), 'ERR_ARGUMENT', 'randomizedSvd: x must be an operator, got 3'],
      [() => randomizedSvd({ ...operator, adjoint: undefined } as never, { rank: 1 }), 'ERR_ARGUMENT', 'randomizedSvd: x must have a function adjoint, got undefined'],
      [() => randomizedSvd({ ...operator, apply: (_: Tensor, out: Tensor) => ops.fill(device, { x: [out], value: NaN }) }, { rank: 1 }), 'ERR_ARGUMENT', 'randomizedSvd: x.apply must give numbers, got NaN'],
      [() => randomizedSvd({ ...operator, adjoint: () => { throw new Error('no luck'); } }, { rank: 1 }), 'ERR_ARGUMENT', 'randomizedSvd: x.adjoint has failed: no luck'],
      [() => randomizedSvd({ ...operator, apply: (x: Tensor) => x.dispose() }, { rank: 1 }), 'ERR_DISPOSED', 'randomizedSvd: x.apply has disposed of a tensor that it was given'],
    ]; // biome-ignore format: a line each
    for (const [call, code, message] of cases) expect(await errorOf(call())).toEqual({ code, message });
    expect(device.info.memory.live).toBe(before);
  });
});
