// Devices: cpu, cuda
// Source: golden dense.json
// Source: property "L·Lᵀ·X is B: %i of %i rows, %i columns"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { expectNear, goldenProblems, joined, multiply, part, transposed, unwritten } from '../../support/dense.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { splitmixMatrix } from '../../support/splitmix.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** A lower triangle far from singular; above it, what nobody reads. */
const triangle = (n: number, seed: number): Float64Array =>
  normal(n * n, seed, 1 / (2 * n)).map((value, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    return row === column ? 1 + Math.abs(value) : column < row ? value : NaN;
  });

const lower = (l: Float64Array, n: number): Float64Array =>
  l.map((value, i) => (i % n <= Math.floor(i / n) ? value : 0));

describe.each(devices)('choleskySolve on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [1, 1, 1],
      [1, 33, 5],
      [3, 7, 1],
      [2, 65, 67],
      [1, 200, 9],
    ])('L·Lᵀ·X is B: %i of %i rows, %i columns', async (batch, n, columns) => {
      const factors = Array.from({ length: batch }, (_, i) => triangle(n, i + 1));
      const b = normal(batch * n * columns, 77);
      const factor = tensorOf(device, joined(factors), [batch, n, n], dtype);
      const rhs = tensorOf(device, b, [batch, n, columns], dtype);
      const out = unwritten(device, rhs.shape, dtype);
      ops.choleskySolve(device, { factor, rhs, out });
      const x = await valuesOf(out);
      for (let i = 0; i < batch; i++) {
        const l = lower(factors[i]!, n);
        const again = multiply(l, multiply(transposed(l, n), part(x, n * columns, i), n), n);
        expectNear(again, part(b, n * columns, i), dtype, 8 + n / 4);
      }
      ops.choleskySolve(device, { factor, rhs, out: rhs });
      expect(await valuesOf(rhs)).toEqual(x);
    });

    it.each([1, 2, 31, 32, 33, 65])('agrees with the reference, of %i rows', async (n) => {
      for (const columns of [0, 1, 33])
        await expectLikeReference(
          'choleskySolve',
          device,
          (on) => ({
            factor: tensorOf(on, joined([triangle(n, 1), triangle(n, 2)]), [2, n, n], dtype),
            rhs: tensorOf(on, normal(2 * n * columns, 3), [2, n, columns], dtype),
            out: unwritten(on, [2, n, columns], dtype),
          }),
          { ulps: 8 + n / 4, of: 'largest' },
        );
    });
  });

  it('gives infinity or NaN for a factor of a singular matrix, and takes no right sides', async () => {
    const factor = tensorOf(device, [1, 0, 0, 0], [2, 2]);
    const rhs = tensorOf(device, [1, 1], [2, 1]);
    ops.choleskySolve(device, { factor, rhs, out: rhs });
    expect(Number.isFinite((await rhs.read())[1])).toBe(false);
    const none = tensorOf(device, [], [2, 0]);
    ops.choleskySolve(device, { factor, rhs: none, out: none });
    expect((await none.read()).length).toBe(0);
  });

  it('has the values of SciPy', async () => {
    for (const { shape, seeds, cholesky, choleskySolve } of goldenProblems) {
      if (!cholesky || !choleskySolve) continue;
      const [n] = shape;
      const factor = tensorOf(device, cholesky, shape, 'f64');
      const rhs = tensorOf(device, splitmixMatrix(n, 2, seeds[1]!), [n, 2], 'f64');
      ops.choleskySolve(device, { factor, rhs, out: rhs });
      expectNear(await valuesOf(rhs), choleskySolve, 'f64', 1000);
    }
  });
});

describe.each(onlyCpu)('choleskySolve', () => {
  const valid = (device: Device) => ({
    factor: tensorOf(device, [1, 0, 0, 1], [2, 2]),
    rhs: tensorOf(device, [1, 2], [2, 1]),
    out: tensorOf(device, [0, 0], [2, 1]),
  });
  refusesWrongFields('choleskySolve', valid);
  refuses('choleskySolve', valid, (device) => [
    [
      { factor: tensorOf(device, [1, 2], [1, 2]) },
      'ERR_SHAPE',
      'choleskySolve: factor must be a square matrix or a batch of them, got f32[1, 2]',
    ],
    [
      { factor: tensorOf(device, [1, 0, 0, 1], [2, 2], 'f16') },
      'ERR_DTYPE',
      'choleskySolve: factor must be f32 or f64, got f16[2, 2]',
    ],
    [
      { rhs: tensorOf(device, [1, 2], [2, 1], 'f64') },
      'ERR_DTYPE',
      'choleskySolve: rhs must have the dtype of factor, got f64[2, 1]',
    ],
    [
      { rhs: tensorOf(device, [1, 2], [2]) },
      'ERR_SHAPE',
      'choleskySolve: rhs must be a matrix with as many rows for each factor, got f32[2] for factor f32[2, 2]',
    ],
    [
      { out: tensorOf(device, [1, 2], [2, 1], 'f64') },
      'ERR_DTYPE',
      'choleskySolve: out must have the dtype of factor, got f64[2, 1]',
    ],
    [
      { out: tensorOf(device, [1, 2], [1, 2]) },
      'ERR_SHAPE',
      'choleskySolve: out must have the shape of rhs, got f32[1, 2] for rhs f32[2, 1]',
    ],
  ]);

  it('has the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const factor = tensorOf(device, triangle(260, 1), [260, 260]);
      const rhs = tensorOf(device, normal(260 * 150, 2), [260, 150]);
      ops.choleskySolve(device, { factor, rhs, out: rhs });
      return [rhs];
    }));
});
