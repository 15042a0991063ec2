// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { cholesky, eigh, lstsq, lu, polar, qr, solve, svd } from '../../lib/linalg/index.ts';
import { normal } from '../support/data.ts';
import { diagonal, expectNear, expectOrthonormal, hilbert, multiply, positive, transposed } from '../support/dense.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

const refused = async (call: () => Promise<unknown>): Promise<{ code: string; message: string }> => {
  const { code, message } = (await call().catch((error) => error)) as { code: string; message: string };
  return { code, message };
};

describe.each(devices)('linalg on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const matrix = (values: ArrayLike<number>, shape: readonly number[], dtype: 'f32' | 'f64' = 'f64') =>
    tensorOf(device, values, shape, dtype);

  it('gives each factorization as tensors of the dtype of its matrix', async () => {
    for (const dtype of ['f32', 'f64'] as const) {
      using x = matrix(normal(2 * 5 * 3, 1), [2, 5, 3], dtype);
      using gram = matrix(positive(4, 2), [4, 4], dtype);
      const l = await cholesky(gram);
      const { q, r } = await qr(x);
      const { lu: triangles, pivots } = await lu(x);
      const { u, s, v } = await svd(x);
      const { values, vectors } = await eigh(gram);
      const shapes = [l, q, r, triangles, u, s, v, values, vectors];
      expect(shapes.map((tensor) => tensor.shape)).toEqual([
        [4, 4],
        [2, 5, 3],
        [2, 3, 3],
        [2, 5, 3],
        [2, 5, 3],
        [2, 3],
        [2, 3, 3],
        [4],
        [4, 4],
      ]);
      expect(shapes.every((tensor) => tensor.dtype === dtype)).toBe(true);
      expect([pivots.dtype, pivots.shape]).toEqual(['i32', [2, 5]]);
      const product = multiply(await valuesOf(l), transposed(await valuesOf(l), 4), 4);
      expectNear(product, await valuesOf(gram), dtype, 8);
      expectNear(await valuesOf((await svd(x, { vectors: false })).s), await valuesOf(s), dtype, 20);
      expectNear(await valuesOf((await eigh(gram, { vectors: false })).values), await valuesOf(values), dtype, 20);
    }
  });

  it.each([1, 3, 64, 65, 130])('factors semidefinite matrices of %i rows', async (n) => {
    const rank = Math.ceil(n / 2);
    const half = normal(n * rank, 41);
    const gram = multiply(half, transposed(half, rank), rank);
    const l = await valuesOf(await cholesky(matrix(gram, [n, n]), { rankTolerance: 1e-12 }));
    expectNear(multiply(l, transposed(l, n), n), gram, 'f64', 1000 * n);
  });

  it('solves systems, in the shape of their right side', async () => {
    const n = 6;
    const a = normal(n * n, 3);
    const b = normal(n * 2, 4);
    const x = await solve(matrix(a, [n, n]), matrix(b, [n, 2]));
    expect(x.shape).toEqual([n, 2]);
    expectNear(multiply(a, await valuesOf(x), n), b, 'f64', 2000);
    expect([...(await (await solve(matrix([0, 2, 1, 4], [2, 2]), matrix([2, 6], [2]))).read())]).toEqual([2, 1]);
    const gram = positive(n, 5);
    const y = await solve(matrix(gram, [1, n, n]), matrix(b, [1, n, 2]), { assume: 'positive' });
    expect(y.shape).toEqual([1, n, 2]);
    expectNear(multiply(gram, await valuesOf(y), n), b, 'f64', 2000);
    const each = await solve(matrix([2, 0, 0, 4, 1, 1, 0, 1], [2, 2, 2]), matrix([2, 4, 3, 1], [2, 2]));
    expect([...(await each.read())]).toEqual([1, 1, 2, 1]);
  });

  it('gives the least-squares solution of least norm, whatever the rank', async () => {
    const closed = async (a: number[], shape: number[], b: number[]) =>
      valuesOf(await lstsq(matrix(a, shape), matrix(b, [shape[0]!])));
    expectNear(await closed([1, 1, 1, 1], [2, 2], [3, 3]), [1.5, 1.5], 'f64', 8);
    expect(await closed([0, 0, 0, 0], [2, 2], [1, 1])).toEqual(new Float64Array(2));
    expectNear(await closed([1, 0, 1, 1, 1, 2], [3, 2], [1, 2, 3]), [1, 1], 'f64', 8);
    expectNear(await closed([3, 4], [1, 2], [25]), [3, 4], 'f64', 8);
    const [a, x] = [normal(2 * 7 * 4, 6), normal(2 * 4 * 3, 7)];
    const b = [0, 1].flatMap((i) => [...multiply(a.subarray(i * 28, i * 28 + 28), x.subarray(i * 12, i * 12 + 12), 4)]);
    const batch = await lstsq(matrix(a, [2, 7, 4]), matrix(b, [2, 7, 3]));
    expect(batch.shape).toEqual([2, 4, 3]);
    expectNear(await valuesOf(batch), x, 'f64', 200);
  });

  it('gives the nearest matrix with orthonormal columns, or rows', async () => {
    const n = 8;
    const [left, right] = [51, 52].map((seed) => normal(n * n, seed));
    const [q, p] = [(await qr(matrix(left!, [n, n]))).q, (await qr(matrix(right!, [n, n]))).q];
    const expected = multiply(await valuesOf(q), await valuesOf(p), n);
    const scaled = (await valuesOf(q)).map((value, i) => value * 10 ** (-(i % n) / 1.5));
    const x = matrix(multiply(scaled, await valuesOf(p), n), [n, n]);
    for (const method of ['svd', 'newton-schulz'] as const)
      for (const [i, value] of (await valuesOf(await polar(x, { method }))).entries())
        expect(value).toBeCloseTo(expected[i]!, 8);
    const rankOne = matrix([1, 2, 2, 4, 3, 6], [3, 2]);
    expectOrthonormal(await valuesOf(await polar(rankOne)), 2, 'f64', 10);
    const wide = await valuesOf(await polar(matrix(normal(2 * 3 * 5, 9), [2, 3, 5])));
    for (const i of [0, 1]) expectOrthonormal(transposed(wide.slice(i * 15, i * 15 + 15), 5), 3, 'f64', 20);
  });

  it('says which matrix is not positive, singular or not finite, and leaves nothing behind', async () => {
    using indefinite = matrix([1, 0, 0, 1, 1, 0, 0, -1], [2, 2, 2]);
    using singular = matrix([1, 2, 2, 4], [2, 2]);
    using nan = matrix([1, NaN, 1, 1], [2, 2]);
    using lower = matrix([1, 1, NaN, 1], [2, 2]);
    using b = matrix([1, 1], [2]);
    const { live: before } = await settledMemory(device);
    const cases: [() => Promise<unknown>, string][] = [
      [
        () => cholesky(indefinite),
        'cholesky: x must be positive definite, got pivot 2 in matrix 1 that is not positive',
      ],
      [
        () => solve(singular, b, { assume: 'positive' }),
        'solve: a must be positive definite, got pivot 2 that is not positive',
      ],
      [
        () => solve(singular, b),
        'solve: a must be finite and not singular to working precision, got pivot 2 that is too small',
      ],
      [() => qr(nan), 'qr: x must be finite, got NaN or infinity'],
      [() => lu(nan), 'lu: x must be finite, got NaN or infinity'],
      [() => svd(nan), 'svd: x must be finite, got NaN or infinity'],
      [() => eigh(lower), 'eigh: x must be finite, got NaN or infinity'],
      [() => polar(nan), 'polar: x must be finite, got NaN or infinity'],
      [() => lstsq(nan, b), 'lstsq: a must be finite, got NaN or infinity'],
    ];
    for (const [call, message] of cases) expect(await refused(call)).toEqual({ code: 'ERR_ARGUMENT', message });
    expect(device.info.memory.live).toBe(before);
  });

  it('refuses what is no matrix, no system and no option', async () => {
    using x = matrix([1, 0, 0, 1], [2, 2]);
    using tall = matrix([1, 2], [2, 1]);
    using vector = matrix([1, 2, 3], [3]);
    using single = matrix([1, 2], [2], 'f32');
    using half = Tensor.from(device, [1, 0, 0, 1], [2, 2], { dtype: 'bf16' });
    const cases: [() => Promise<unknown>, string, string][] = [
      [() => svd([1] as never), 'ERR_ARGUMENT', 'svd: x must be a Tensor, got a list'],
      [() => svd(vector), 'ERR_SHAPE', 'svd: x must be a matrix or a batch of matrices, got [3]'],
      [() => qr(half), 'ERR_DTYPE', 'qr: x must be f32 or f64, got bf16'],
      [() => eigh(tall), 'ERR_SHAPE', 'eigh: x must be square, got [2,1]'],
      [() => solve(x, vector), 'ERR_SHAPE', 'solve: b must be [2] or [2, k], got [3]'],
      [() => solve(x, single), 'ERR_DTYPE', 'solve: b must be f64, got f32'],
      [() => solve(x, 1 as never), 'ERR_ARGUMENT', 'solve: b must be a Tensor, got 1'],
      [
        () => solve(x, tall, { assume: 'symmetric' as never }),
        'ERR_ARGUMENT',
        "solve: assume must be one of 'general', 'positive', got 'symmetric'",
      ],
      [() => cholesky(x, { rankTolerance: 1 }), 'ERR_ARGUMENT', 'cholesky: rankTolerance must be in [0, 1), got 1'],
      [() => lstsq(x, tall, { rankTolerance: -1 }), 'ERR_ARGUMENT', 'lstsq: rankTolerance must be in [0, 1), got -1'],
      [() => svd(x, { vectors: 1 as never }), 'ERR_ARGUMENT', 'svd: vectors must be true or false, got 1'],
      [
        () => polar(x, { method: 'qr' as never }),
        'ERR_ARGUMENT',
        "polar: method must be one of 'svd', 'newton-schulz', got 'qr'",
      ],
    ];
    for (const [call, code, message] of cases) expect(await refused(call)).toEqual({ code, message });
  });

  it('takes a matrix that is large for a GPU', async () => {
    const n = 520;
    const values = Float64Array.from({ length: n }, (_, i) => 1 + i / n);
    using x = matrix(diagonal(values), [n, n]);
    using l = await cholesky(x);
    expect(l.device).toBe(device);
    const read = await valuesOf(l);
    for (let i = 0; i < n; i += 1) expect(read[i * (n + 1)]).toBe(Math.sqrt(values[i]!));
  });

  it('leaves nothing but its results', async () => {
    using x = matrix(hilbert(4), [4, 4]);
    using b = matrix([1, 2, 3, 4], [4]);
    const { live: before } = await settledMemory(device);
    for (const make of [
      async () => [await cholesky(x)],
      async () => Object.values<Tensor>({ ...(await qr(x)) }),
      async () => Object.values<Tensor>({ ...(await lu(x)) }),
      async () => Object.values<Tensor>({ ...(await svd(x)) }),
      async () => Object.values<Tensor>({ ...(await eigh(x)) }),
      async () => [await solve(x, b)],
      async () => [await solve(x, b, { assume: 'positive' })],
      async () => [await lstsq(x, b)],
      async () => [await polar(x)],
      async () => [await polar(x, { method: 'newton-schulz' })],
    ]) {
      const made = await make();
      expect(device.info.memory.live - before).toBe(made.length);
      for (const tensor of made) tensor.dispose();
    }
    expect(device.info.memory.live).toBe(before);
  });
});
