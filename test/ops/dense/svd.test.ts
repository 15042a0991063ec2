// Devices: cpu, cuda
// Source: golden dense.json
// Source: property "U·diag(s)·Vᵀ is A: %i of %i × %i"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import {
  apart,
  awkwardSides,
  type Dtype,
  diagonal,
  expectNear,
  expectOrthogonality,
  expectOrthonormal,
  expectSigns,
  goldenProblems,
  hilbert,
  multiply,
  part,
  termsOfSingularVectors,
  transposed,
  unwritten,
} from '../../support/dense.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { splitmixMatrix } from '../../support/splitmix.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

async function decomposed(device: Device, matrix: Tensor) {
  const { shape } = matrix;
  const dtype = matrix.dtype as Dtype;
  const [rows, columns] = shape.slice(-2) as [number, number];
  const [front, k] = [shape.slice(0, -2), Math.min(rows, columns)];
  const u = unwritten(device, [...front, rows, k], dtype);
  const v = unwritten(device, [...front, columns, k], dtype);
  const [s, alone] = [unwritten(device, [...front, k], dtype), unwritten(device, [...front, k], dtype)];
  const info = unwritten(device, [front[0] ?? 1], 'i32');
  ops.svd(device, { matrix, u, s, v, info });
  ops.svd(device, { matrix, s: alone, info });
  return {
    u: await valuesOf(u),
    s: await valuesOf(s),
    v: await valuesOf(v),
    alone: await valuesOf(alone),
    info: [...(await info.read())],
    k,
  };
}

/** U·diag(s)·Vᵀ is the matrix, U and V have orthonormal columns, s is descending and not negative. */
function expectDecomposition(
  { u, s, v }: { u: Float64Array; s: Float64Array; v: Float64Array },
  a: Float64Array,
  dtype: Dtype,
): void {
  const k = s.length;
  expectNear(multiply(multiply(u, diagonal(s), k), transposed(v, k), k), a, dtype, 20 + 2 * k);
  for (const vectors of [u, v]) expectOrthonormal(vectors, k, dtype, 20 + 2 * k);
  for (let i = 0; i < k; i++) expect(s[i]).toBeLessThanOrEqual(i > 0 ? s[i - 1]! : Infinity);
  expect(s.every((value) => value >= 0)).toBe(true);
  expectSigns(u, k);
}

describe.each(devices)('svd on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each(
      kind === 'cpu'
        ? [
            [40, 60],
            [300, 300],
            [2000, 100],
          ]
        : [
            [40, 60],
            [90, 40],
          ],
    )('vectors of %i × %i are orthonormal to 10·ε·√n, of graded columns, too', async (rows, columns) => {
      const even = normal(rows * columns, rows);
      for (const decades of [0, 6]) {
        const a = even.map((value, i) => value * 10 ** ((-decades * (i % columns)) / columns));
        const { u, v, k } = await decomposed(device, tensorOf(device, a, [rows, columns], dtype));
        for (const vectors of [u, v]) expectOrthogonality(vectors, k, dtype);
      }
    });

    it.each([
      [1, 1, 1],
      [2, 2, 2],
      [3, 31, 7],
      [2, 7, 31],
      [1, 33, 33],
      [1, 40, 60],
      [2, 5, 1],
      [2, 1, 5],
    ])('U·diag(s)·Vᵀ is A: %i of %i × %i', async (batch, rows, columns) => {
      const size = rows * columns;
      const a = normal(batch * size, rows + columns);
      const all = await decomposed(device, tensorOf(device, a, [batch, rows, columns], dtype));
      expect(all.info).toEqual(new Array(batch).fill(0));
      for (let i = 0; i < batch; i++) {
        const [u, s, v] = [part(all.u, rows * all.k, i), part(all.s, all.k, i), part(all.v, columns * all.k, i)];
        expectDecomposition({ u, s, v }, part(a, size, i), dtype);
        expectNear(part(all.alone, all.k, i), s, dtype, 20 + 2 * all.k);
      }
    });

    it.each(awkwardSides)('agrees with the reference, of %i × %i', async (rows, columns) => {
      const k = Math.min(rows, columns);
      await expectLikeReference(
        'svd',
        device,
        (on) => ({
          matrix: tensorOf(on, apart(rows, columns, 1), [rows, columns], dtype),
          u: unwritten(on, [rows, k], dtype),
          s: unwritten(on, [k], dtype),
          v: unwritten(on, [columns, k], dtype),
          info: unwritten(on, [1], 'i32'),
        }),
        {
          s: { ulps: 20 + k, of: 'largest' },
          u: { ulps: 20 + 2 * k, of: ({ s, u }) => termsOfSingularVectors(s!, u!) },
          v: { ulps: 20 + 2 * k, of: ({ s, v }) => termsOfSingularVectors(s!, v!) },
        },
      );
    });

    it('of zeros, the identity, equal values, low rank, bad condition and extreme scales', async () => {
      const n = 10;
      const scale = dtype === 'f64' ? 1e200 : 1e30;
      const [left, right] = [normal(n * 3, 1), normal(3 * n, 2)];
      const graded = normal(n * n, 5).map((value, i) => value * 10 ** -(i % n));
      for (const a of [
        new Float64Array(n * n),
        diagonal(new Float64Array(n).fill(1)),
        new Float64Array(n * n).fill(1),
        multiply(left, right, 3),
        diagonal([2, 2, -2, 0, 1, 1, 0, 0, 2, 1]),
        hilbert(n),
        graded,
        normal(n * n, 3, scale),
        normal(n * n, 4, 1 / scale),
      ])
        for (const columns of [n, 5, 20]) {
          const rows = (n * n) / columns;
          const all = await decomposed(device, tensorOf(device, a, [rows, columns], dtype));
          expect(all.info).toEqual([0]);
          expectDecomposition(all, a, dtype);
        }
    });

    it('gives NaN for a matrix that is not finite, and only for it', async () => {
      const a = [1, 2, 3, 4, 1, NaN, 3, 4, 1, 2, Infinity, 4];
      const { u, s, v, info } = await decomposed(device, tensorOf(device, a, [3, 2, 2], dtype));
      expect(info).toEqual([0, 1, 1]);
      expect([...s].map(Number.isNaN)).toEqual([false, false, true, true, true, true]);
      for (const x of [u, v]) expect([...x].map(Number.isNaN)).toEqual(Array.from(x, (_, i) => i >= 4));
    });

    it('takes matrices without elements', async () => {
      expect((await decomposed(device, tensorOf(device, [], [2, 5, 0], dtype))).info).toEqual([0, 0]);
      expect((await decomposed(device, tensorOf(device, [], [0, 3, 3], dtype))).info).toEqual([]);
    });
  });

  it('has the values of SciPy', async () => {
    for (const { shape, seeds, svd } of goldenProblems) {
      const x = tensorOf(device, splitmixMatrix(...shape, seeds[0]!), shape, 'f64');
      const { u, s, v } = await decomposed(device, x);
      expectNear(s, svd.s, 'f64', 50);
      expectNear(u, svd.u, 'f64', 1000);
      expectNear(v, svd.v, 'f64', 1000);
    }
  });
});

describe.each(onlyCpu)('svd', () => {
  const valid = (device: Device) => ({
    matrix: tensorOf(device, [1, 2, 3, 4, 5, 6], [3, 2]),
    u: tensorOf(device, [0, 0, 0, 0, 0, 0], [3, 2]),
    s: tensorOf(device, [0, 0], [2]),
    v: tensorOf(device, [0, 0, 0, 0], [2, 2]),
    info: tensorOf(device, [0], [1], 'i32'),
  });
  refusesWrongFields('svd', valid, ['u', 'v']);
  refuses('svd', valid, (device) => [
    [
      { matrix: tensorOf(device, [1], [1]) },
      'ERR_SHAPE',
      'svd: matrix must be a matrix or a batch of them, got f32[1]',
    ],
    [{ matrix: tensorOf(device, [1, 2], [1, 2], 'f16') }, 'ERR_DTYPE', 'svd: matrix must be f32 or f64, got f16[1, 2]'],
    [{ u: undefined }, 'ERR_ARGUMENT', 'svd: u and v come together or not at all'],
    [
      { u: tensorOf(device, [0, 0, 0, 0, 0, 0], [3, 2], 'f64') },
      'ERR_DTYPE',
      'svd: u must have the dtype of matrix, got f64[3, 2]',
    ],
    [
      { u: tensorOf(device, [0, 0, 0, 0], [2, 2]) },
      'ERR_SHAPE',
      'svd: u must have the rows of matrix and a column for each of its smaller side, got f32[2, 2] for matrix f32[3, 2]',
    ],
    [
      { v: tensorOf(device, [0, 0, 0, 0], [2, 2], 'f64') },
      'ERR_DTYPE',
      'svd: v must have the dtype of matrix, got f64[2, 2]',
    ],
    [
      { v: tensorOf(device, [0, 0, 0, 0, 0, 0], [3, 2]) },
      'ERR_SHAPE',
      'svd: v must have a row for each column of matrix and a column for each of its smaller side, got f32[3, 2] for matrix f32[3, 2]',
    ],
    [{ s: tensorOf(device, [0, 0], [2], 'f64') }, 'ERR_DTYPE', 'svd: s must have the dtype of matrix, got f64[2]'],
    [
      { s: tensorOf(device, [0, 0, 0], [3]) },
      'ERR_SHAPE',
      'svd: s must have an element for each of the smaller side of each matrix, got f32[3] for matrix f32[3, 2]',
    ],
    [
      { info: tensorOf(device, [0, 0], [2], 'i32') },
      'ERR_SHAPE',
      'svd: info must be i32 and have one element a matrix, got i32[2] for 1',
    ],
  ]);

  it.each([
    [9, 40, 30, 'f32'],
    [1, 260, 200, 'f32'],
    [1, 200, 260, 'f32'],
    [1, 260, 200, 'f64'],
    [1, 200, 300, 'f64'],
  ] as const)('has the same bits on any number of threads, %i of %i × %i in %s', (batch, rows, columns, dtype) =>
    expectSameBits((device) => {
      const k = Math.min(rows, columns);
      const matrix = tensorOf(device, normal(batch * rows * columns, 1), [batch, rows, columns], dtype);
      const [u, v] = [unwritten(device, [batch, rows, k], dtype), unwritten(device, [batch, columns, k], dtype)];
      const [s, alone] = [unwritten(device, [batch, k], dtype), unwritten(device, [batch, k], dtype)];
      ops.svd(device, { matrix, u, s, v, info: unwritten(device, [batch], 'i32') });
      ops.svd(device, { matrix, s: alone, info: unwritten(device, [batch], 'i32') });
      return [u, s, v, alone];
    }),
  );
});
