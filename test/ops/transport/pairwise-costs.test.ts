// Devices: cpu, cuda
// Source: property "is 0 for equal points, of %i coordinates"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { type Metric, pairwiseCosts as reference, squaresAboutMean } from '../../reference/pairwise-costs.ts';
import { expectClose, expectSame } from '../../support/compare.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';
import { numbers } from '../../support/transport.ts';

const metrics = ['sqeuclidean', 'euclidean', 'l1'] as const;

/** From this many coordinates on squared distances are taken from products. */
const leastDimension = 16;

describe.each(devices)('pairwiseCosts on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  async function costsOf(xs: Float64Array, ys: Float64Array, d: number, metric?: Metric, dtype: 'f32' | 'f64' = 'f64') {
    const [n, m] = [xs.length / d, ys.length / d];
    using out = new Tensor(device, [n, m], dtype);
    using x = tensorOf(device, xs, [n, d], dtype);
    using y = tensorOf(device, ys, [m, d], dtype);
    ops.pairwiseCosts(device, { x, y, out, metric });
    return valuesOf(out);
  }
  /** The error that a sum of differences may have, in units of it. */
  const ulpsOf = (d: number) => d + 4;

  describe.each(metrics)('%s', (metric) => {
    it.each([
      [1, 1, 1],
      [7, 513, 3],
      [65, 31, 15],
      [65, 31, 16],
      [1, 1, 17],
      [70, 400, 40],
      [9, 140, 130],
      [3, 5, 1100],
    ])('agrees with the reference on %i and %i points of %i coordinates', async (n, m, d) => {
      for (const dtype of ['f32', 'f64'] as const) {
        const [xs, ys] = [numbers(n * d, 1, -1, 1, dtype), numbers(m * d, 2, -1, 1, dtype)];
        const expected = reference(xs, ys, d, metric);
        const multiplies = metric === 'sqeuclidean' && d >= leastDimension;
        const exact = {
          dtype: 'f64',
          ulps: ulpsOf(d),
          ...(multiplies && { magnitude: squaresAboutMean(xs, ys, d) }),
        } as const;
        const tolerance = dtype === 'f64' ? exact : ({ dtype, ulps: 1 } as const);
        expectClose(await costsOf(xs, ys, d, metric, dtype), expected, tolerance);
      }
    });

    it.each([
      [0, 3, 2],
      [3, 0, 20],
      [2, 3, 0],
    ])('of %i and %i points of %i coordinates', async (n, m, d) => {
      using out = Tensor.full(device, [n, m], NaN, { dtype: 'f64' });
      using x = Tensor.zeros(device, [n, d], { dtype: 'f64' });
      using y = Tensor.zeros(device, [m, d], { dtype: 'f64' });
      ops.pairwiseCosts(device, { x, y, out, metric });
      expect([...(await valuesOf(out))]).toEqual(new Array(n * m).fill(0));
    });

    it.each([3, 16, 33])('is 0 for equal points, of %i coordinates', async (d) => {
      const [xs, ys] = [numbers(40 * d, 1), numbers(60 * d, 2)];
      xs.set(ys.subarray(7 * d, 12 * d), 3 * d);
      const costs = await costsOf(xs, ys, d, metric);
      expect([0, 1, 2, 3, 4].map((k) => costs[(3 + k) * 60 + 7 + k])).toEqual([0, 0, 0, 0, 0]);
    });

    it.each([15, 16, 130, 600])('has the bits of the costs from y to x, of %i coordinates', async (d) => {
      const [xs, ys] = [numbers(37 * d, 1), numbers(50 * d, 2)];
      // Neighbours, too.
      for (let k = 0; k < d; k++) xs[k] = ys[k]! + 1e-9;
      const [there, back] = [await costsOf(xs, ys, d, metric), await costsOf(ys, xs, d, metric)];
      expectSame(
        there,
        there.map((_, at) => back[(at % 50) * 37 + Math.floor(at / 50)]!),
      );
    });

    it.each([3, 40])('keeps the digits of points that are far from 0, of %i coordinates', async (d) => {
      const [xs, ys] = [1, 2].map((seed) => numbers(30 * d, seed).map((x) => x + 1e8)) as [Float64Array, Float64Array];
      const magnitude = metric === 'sqeuclidean' ? squaresAboutMean(xs, ys, d) : 0;
      expectClose(await costsOf(xs, ys, d, metric), reference(xs, ys, d, metric), {
        dtype: 'f64',
        ulps: ulpsOf(d),
        magnitude,
      });
    });

    it.each([3, 40])('keeps those of clouds that are far from each other, of %i coordinates', async (d) => {
      const cloudsOf = (seed: number) => numbers(30 * d, seed).map((x, at) => (at % (2 * d) < d ? 1e-3 * x : x + 1e8));
      const [xs, ys] = [cloudsOf(1), cloudsOf(2)];
      expectClose(await costsOf(xs, ys, d, metric), reference(xs, ys, d, metric), { dtype: 'f64', ulps: ulpsOf(d) });
    });

    it.each([3, 20])('leaves to a point what is infinite or NaN of it, of %i coordinates', async (d) => {
      const [xs, ys] = [numbers(20 * d, 1), numbers(30 * d, 2)];
      const expected = reference(xs, ys, d, metric);
      for (const value of [NaN, Infinity, -Infinity, 1e200]) {
        xs[5 * d + 1] = value;
        expected.fill(metric === 'l1' ? Math.abs(value) : value * value, 5 * 30, 6 * 30);
        expectClose(await costsOf(xs, ys, d, metric), expected, { dtype: 'f64', ulps: ulpsOf(d) });
      }
    });
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [3, 2]),
  y: Tensor.zeros(device, [4, 2]),
  out: Tensor.zeros(device, [3, 4]),
});
describe.each(onlyCpu)('pairwiseCosts', () => {
  refusesWrongFields('pairwiseCosts', valid);
  refuses('pairwiseCosts', valid, (device) => [
    [{ x: Tensor.zeros(device, [3]) }, 'ERR_SHAPE', 'pairwiseCosts: x must be a matrix, got f32[3]'],
    [
      { x: Tensor.zeros(device, [3, 2], { dtype: 'f16' }) },
      'ERR_DTYPE',
      'pairwiseCosts: x must be f32 or f64, got f16[3, 2]',
    ],
    [{ y: Tensor.zeros(device, [4]) }, 'ERR_SHAPE', 'pairwiseCosts: y must be a matrix, got f32[4]'],
    [
      { y: Tensor.zeros(device, [4, 2], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'pairwiseCosts: y must have the dtype of x, got f64[4, 2]',
    ],
    [
      { y: Tensor.zeros(device, [4, 3]) },
      'ERR_SHAPE',
      'pairwiseCosts: y must have the columns of x, got f32[4, 3] for x f32[3, 2]',
    ],
    [
      { out: Tensor.zeros(device, [3, 4], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'pairwiseCosts: out must have the dtype of x, got f64[3, 4]',
    ],
    [
      { out: Tensor.zeros(device, [4, 3]) },
      'ERR_SHAPE',
      'pairwiseCosts: out must have a row a row of x and a column a row of y, got f32[4, 3] for x f32[3, 2] and y f32[4, 2]',
    ],
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [x, y] = [Tensor.from(device, numbers(900, 1), [300, 3]), Tensor.from(device, numbers(3600, 2), [1200, 3])];
      const out = new Tensor(device, [300, 1200], 'f64');
      ops.pairwiseCosts(device, { x, y, out, metric: 'euclidean' });
      return [out];
    }));
});
