// Devices: cpu, cuda
// Source: golden dense.json
// Source: property "L·U·X is B with its rows exchanged: %i of %i rows, %i columns"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { expectNear, goldenProblems, joined, multiply, part, unwritten } from '../../support/dense.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { splitmixMatrix } from '../../support/splitmix.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** L and U far from singular, in one matrix. */
const triangles = (n: number, seed: number): Float64Array =>
  normal(n * n, seed, 1 / (2 * n)).map((value, i) => (i % (n + 1) === 0 ? 1 + Math.abs(value) : value));

function product(lu: Float64Array, x: Float64Array, n: number): Float64Array {
  const u = lu.map((value, i) => (i % n >= Math.floor(i / n) ? value : 0));
  const l = lu.map((value, i) => (i % (n + 1) === 0 ? 1 : i % n < Math.floor(i / n) ? value : 0));
  return multiply(l, multiply(u, x, n), n);
}

describe.each(devices)('luSolve on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [1, 1, 1],
      [1, 33, 5],
      [3, 7, 1],
      [2, 65, 67],
      [1, 200, 9],
    ])('L·U·X is B with its rows exchanged: %i of %i rows, %i columns', async (batch, n, columns) => {
      const all = Array.from({ length: batch }, (_, i) => triangles(n, i + 1));
      const b = normal(batch * n * columns, 77);
      const order = Int32Array.from({ length: batch * n }, (_, i) => n - 1 - (i % n));
      const out = unwritten(device, [batch, n, columns], dtype);
      ops.luSolve(device, {
        lu: tensorOf(device, joined(all), [batch, n, n], dtype),
        pivots: tensorOf(device, order, [batch, n], 'i32'),
        rhs: tensorOf(device, b, [batch, n, columns], dtype),
        out,
      });
      const x = await valuesOf(out);
      for (let i = 0; i < batch; i++) {
        const exchanged = [...order.subarray(i * n, (i + 1) * n)].flatMap((row) => [
          ...part(b, n * columns, i).subarray(row * columns, (row + 1) * columns),
        ]);
        expectNear(product(all[i]!, part(x, n * columns, i), n), exchanged, dtype, 8 + n / 4);
      }
    });

    it.each([1, 2, 31, 32, 33, 65])('agrees with the reference, of %i rows', async (n) => {
      const order = Array.from({ length: 2 * n }, (_, i) => n - 1 - (i % n));
      for (const columns of [0, 1, 33])
        await expectLikeReference(
          'luSolve',
          device,
          (on) => ({
            lu: tensorOf(on, joined([triangles(n, 1), triangles(n, 2)]), [2, n, n], dtype),
            pivots: tensorOf(on, order, [2, n], 'i32'),
            rhs: tensorOf(on, normal(2 * n * columns, 3), [2, n, columns], dtype),
            out: unwritten(on, [2, n, columns], dtype),
          }),
          { ulps: 8 + n / 4, of: 'largest' },
        );
    });
  });

  it('gives infinity or NaN for a singular matrix, NaN for a row that is not there, and takes no right sides', async () => {
    const pivots = tensorOf(device, [0, 1], [2], 'i32');
    const rhs = tensorOf(device, [1, 1], [2, 1]);
    const out = unwritten(device, [2, 1], 'f32');
    ops.luSolve(device, { lu: tensorOf(device, [1, 0, 0, 0], [2, 2]), pivots, rhs, out });
    expect([...(await out.read())].some(Number.isFinite)).toBe(false);
    const lu = tensorOf(device, [1, 0, 0, 1], [2, 2]);
    ops.luSolve(device, { lu, pivots: tensorOf(device, [0, 2], [2], 'i32'), rhs, out });
    expect([...(await out.read())]).toEqual([NaN, NaN]);
    ops.luSolve(device, { lu, pivots, rhs: tensorOf(device, [], [2, 0]), out: tensorOf(device, [], [2, 0]) });
    await device.synchronize();
  });

  it('has the values of SciPy', async () => {
    for (const { shape, seeds, lu, luSolve } of goldenProblems) {
      if (!luSolve) continue;
      const [n] = shape;
      const out = unwritten(device, [n, 2], 'f64');
      ops.luSolve(device, {
        lu: tensorOf(device, lu.lu, shape, 'f64'),
        pivots: tensorOf(device, lu.pivots, [n], 'i32'),
        rhs: tensorOf(device, splitmixMatrix(n, 2, seeds[1]!), [n, 2], 'f64'),
        out,
      });
      expectNear(await valuesOf(out), luSolve, 'f64', 1000);
    }
  });
});

describe.each(onlyCpu)('luSolve', () => {
  const valid = (device: Device) => ({
    lu: tensorOf(device, [1, 0, 0, 1], [2, 2]),
    pivots: tensorOf(device, [0, 1], [2], 'i32'),
    rhs: tensorOf(device, [1, 2], [2, 1]),
    out: tensorOf(device, [0, 0], [2, 1]),
  });
  refusesWrongFields('luSolve', valid);
  refuses('luSolve', valid, (device) => [
    [
      { lu: tensorOf(device, [1, 2], [1, 2]) },
      'ERR_SHAPE',
      'luSolve: lu must be a square matrix or a batch of them, got f32[1, 2]',
    ],
    [{ lu: tensorOf(device, [1, 0, 0, 1], [2, 2], 'u8') }, 'ERR_DTYPE', 'luSolve: lu must be f32 or f64, got u8[2, 2]'],
    [{ pivots: tensorOf(device, [0, 1], [2]) }, 'ERR_DTYPE', 'luSolve: pivots must be i32, got f32[2]'],
    [
      { pivots: tensorOf(device, [0], [1], 'i32') },
      'ERR_SHAPE',
      'luSolve: pivots must have an element for each row of each matrix, got i32[1] for lu f32[2, 2]',
    ],
    [
      { rhs: tensorOf(device, [1, 2], [2, 1], 'f64') },
      'ERR_DTYPE',
      'luSolve: rhs must have the dtype of lu, got f64[2, 1]',
    ],
    [
      { rhs: tensorOf(device, [1, 2, 3], [3, 1]) },
      'ERR_SHAPE',
      'luSolve: rhs must be a matrix with as many rows for each of lu, got f32[3, 1] for lu f32[2, 2]',
    ],
    [
      { out: tensorOf(device, [1, 2], [2, 1], 'f64') },
      'ERR_DTYPE',
      'luSolve: out must have the dtype of lu, got f64[2, 1]',
    ],
    [
      { out: tensorOf(device, [1, 2], [1, 2]) },
      'ERR_SHAPE',
      'luSolve: out must have the shape of rhs, got f32[1, 2] for rhs f32[2, 1]',
    ],
  ]);

  it('has the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const rhs = tensorOf(device, normal(260 * 150, 2), [260, 150]);
      const out = unwritten(device, [260, 150], 'f32');
      const pivots = tensorOf(
        device,
        Array.from({ length: 260 }, (_, i) => 259 - i),
        [260],
        'i32',
      );
      ops.luSolve(device, { lu: tensorOf(device, triangles(260, 1), [260, 260]), pivots, rhs, out });
      return [out];
    }));
});
