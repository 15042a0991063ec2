// Devices: cpu, cuda
// Source: golden dense.json
// Source: property "Q·R is A: %i of %i × %i"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, type Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import {
  apart,
  awkwardSides,
  type Dtype,
  expectNear,
  expectOrthonormal,
  goldenProblems,
  hilbert,
  multiply,
  part,
  unwritten,
} from '../../support/dense.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { splitmixMatrix } from '../../support/splitmix.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

async function factored(device: Device, matrix: Tensor) {
  const { shape } = matrix;
  const [rows, columns] = shape.slice(-2) as [number, number];
  const k = Math.min(rows, columns);
  const q = unwritten(device, [...shape.slice(0, -2), rows, k], matrix.dtype as Dtype);
  const r = unwritten(device, [...shape.slice(0, -2), k, columns], matrix.dtype as Dtype);
  ops.qr(device, { matrix, q, r });
  return { q: await valuesOf(q), r: await valuesOf(r), k };
}

describe.each(devices)('qr on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [1, 1, 1],
      [1, 33, 33],
      [3, 31, 7],
      [2, 7, 31],
      [1, 70, 150],
      [1, 150, 70],
      [2, 5, 1],
      [2, 1, 5],
    ])('Q·R is A: %i of %i × %i', async (batch, rows, columns) => {
      const size = rows * columns;
      const a = normal(batch * size, rows + columns);
      const { q, r, k } = await factored(device, tensorOf(device, a, [batch, rows, columns], dtype));
      for (let i = 0; i < batch; i++) {
        const [ownQ, ownR] = [part(q, rows * k, i), part(r, k * columns, i)];
        expectNear(multiply(ownQ, ownR, k), part(a, size, i), dtype, 16 + k / 2);
        expectOrthonormal(ownQ, k, dtype, 16 + k / 2);
        for (let row = 0; row < k; row++) {
          expect(ownR[row * columns + row]).toBeGreaterThan(0);
          expect([...ownR.subarray(row * columns, row * columns + row)]).toEqual(new Array(row).fill(0));
        }
      }
    });

    it.each(awkwardSides)('agrees with the reference, of %i × %i', async (rows, columns) => {
      const k = Math.min(rows, columns);
      await expectLikeReference(
        'qr',
        device,
        (on) => ({
          matrix: tensorOf(on, apart(rows, columns, 1), [rows, columns], dtype),
          q: unwritten(on, [rows, k], dtype),
          r: unwritten(on, [k, columns], dtype),
        }),
        { ulps: 16 + k / 2, of: 'largest' },
      );
    });

    it('gives orthonormal columns whatever the rank and the scale', async () => {
      const n = 12;
      const rankOne = Float64Array.from({ length: n * n }, (_, i) => (1 + Math.floor(i / n)) * (1 + (i % n)));
      const scale = dtype === 'f64' ? 1e200 : 1e30;
      for (const a of [
        new Float64Array(n * n),
        rankOne,
        hilbert(n),
        normal(n * n, 1, scale),
        normal(n * n, 2, 1 / scale),
      ]) {
        const { q, r } = await factored(device, tensorOf(device, a, [n, n], dtype));
        expectOrthonormal(q, n, dtype, 20);
        expectNear(multiply(q, r, n), a, dtype, 20);
        for (let i = 0; i < n; i++) expect(r[i * n + i]).toBeGreaterThanOrEqual(0);
      }
    });

    it('gives NaN for a matrix that is not finite, and only for it', async () => {
      const a = [1, 2, 3, 4, 1, NaN, 3, 4, 1, 2, Infinity, 4];
      const { q, r } = await factored(device, tensorOf(device, a, [3, 2, 2], dtype));
      expect([...q, ...r].map(Number.isNaN)).toEqual([q, r].flatMap((x) => [...x].map((_, i) => i >= 4)));
    });

    it('takes matrices without elements', async () => {
      for (const shape of [
        [2, 5, 0],
        [2, 0, 5],
        [0, 3, 3],
      ])
        await factored(device, tensorOf(device, [], shape, dtype));
    });
  });

  it('has the values of SciPy', async () => {
    for (const { shape, seeds, qr } of goldenProblems) {
      const { q, r } = await factored(device, tensorOf(device, splitmixMatrix(...shape, seeds[0]!), shape, 'f64'));
      expectNear(q, qr.q, 'f64', 200);
      expectNear(r, qr.r, 'f64', 200);
    }
  });
});

describe.each(onlyCpu)('qr', () => {
  const valid = (device: Device) => ({
    matrix: tensorOf(device, [1, 2, 3, 4, 5, 6], [3, 2]),
    q: tensorOf(device, [0, 0, 0, 0, 0, 0], [3, 2]),
    r: tensorOf(device, [0, 0, 0, 0], [2, 2]),
  });
  refusesWrongFields('qr', valid);
  refuses('qr', valid, (device) => [
    [{ matrix: tensorOf(device, [1], [1]) }, 'ERR_SHAPE', 'qr: matrix must be a matrix or a batch of them, got f32[1]'],
    [{ matrix: tensorOf(device, [1, 2], [1, 2], 'f16') }, 'ERR_DTYPE', 'qr: matrix must be f32 or f64, got f16[1, 2]'],
    [
      { q: tensorOf(device, [0, 0, 0, 0], [2, 2], 'f64') },
      'ERR_DTYPE',
      'qr: q must have the dtype of matrix, got f64[2, 2]',
    ],
    [
      { q: tensorOf(device, [0, 0, 0, 0], [2, 2]) },
      'ERR_SHAPE',
      'qr: q must have the rows of matrix and a column for each of its smaller side, got f32[2, 2] for matrix f32[3, 2]',
    ],
    [
      { r: tensorOf(device, [0, 0, 0, 0], [2, 2], 'f64') },
      'ERR_DTYPE',
      'qr: r must have the dtype of matrix, got f64[2, 2]',
    ],
    [
      { r: tensorOf(device, [0, 0, 0, 0, 0, 0], [3, 2]) },
      'ERR_SHAPE',
      'qr: r must have the columns of matrix and a row for each of its smaller side, got f32[3, 2] for matrix f32[3, 2]',
    ],
  ]);

  it.each([
    [9, 70, 50, 'f32'],
    [1, 300, 220, 'f32'],
    [1, 220, 300, 'f32'],
    [1, 300, 220, 'f64'],
    [1, 220, 300, 'f64'],
  ] as const)('has the same bits on any number of threads, %i of %i × %i in %s', (batch, rows, columns, dtype) =>
    expectSameBits((device) => {
      const k = Math.min(rows, columns);
      const matrix = tensorOf(device, normal(batch * rows * columns, 1), [batch, rows, columns], dtype);
      const [q, r] = [unwritten(device, [batch, rows, k], dtype), unwritten(device, [batch, k, columns], dtype)];
      ops.qr(device, { matrix, q, r });
      return [q, r];
    }),
  );
});
