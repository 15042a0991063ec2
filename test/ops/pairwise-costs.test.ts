import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { pairwiseCosts as reference } from '../reference/pairwise-costs.ts';
import { expectClose } from '../support/compare.ts';
import { refuses, refusesWrongFields } from '../support/refusals.ts';
import { expectSameBits } from '../support/same-bits.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';
import { numbers } from '../support/transport.ts';

const metrics = ['sqeuclidean', 'euclidean', 'l1'] as const;

describe.each(Device.available)('pairwiseCosts on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(metrics)('%s', (metric) => {
    it.each([
      [1, 1, 1],
      [7, 513, 3],
      [65, 31, 17],
      [0, 3, 2],
      [2, 3, 0],
    ])('agrees with the reference on %i and %i points of %i coordinates', async (n, m, d) => {
      for (const dtype of ['f32', 'f64'] as const) {
        const [xs, ys] = [numbers(n * d, 1, -1, 1, dtype), numbers(m * d, 2, -1, 1, dtype)];
        const out = new Tensor(device, [n, m], dtype);
        const [x, y] = [tensorOf(device, xs, [n, d], dtype), tensorOf(device, ys, [m, d], dtype)];
        ops.pairwiseCosts(device, { x, y, out, metric });
        const expected = d === 0 ? new Float64Array(n * m) : reference(xs, ys, d, metric);
        expectClose(await valuesOf(out), expected, { dtype, ulps: dtype === 'f32' ? 1 : 12 });
      }
    });
  });

  it('keeps the digits of points that are close together and far from 0', async () => {
    const [x, y] = [
      Tensor.from(device, Float64Array.of(1e8, 1e8), [1, 2]),
      Tensor.from(device, Float64Array.of(1e8 + 1, 1e8), [1, 2]),
    ];
    const out = new Tensor(device, [1, 1], 'f64');
    ops.pairwiseCosts(device, { x, y, out });
    expect((await valuesOf(out))[0]).toBe(1);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [3, 2]),
  y: Tensor.zeros(device, [4, 2]),
  out: Tensor.zeros(device, [3, 4]),
});
describe('pairwiseCosts', () => {
  refusesWrongFields('pairwiseCosts', 'pairwise_costs', valid);
  refuses('pairwiseCosts', valid, (device) => [
    [{ x: Tensor.zeros(device, [3]) }, 'ERR_SHAPE', 'pairwise_costs: x must be a matrix, got f32[3]'],
    [
      { x: Tensor.zeros(device, [3, 2], { dtype: 'f16' }) },
      'ERR_DTYPE',
      'pairwise_costs: x must be f32 or f64, got f16[3, 2]',
    ],
    [{ y: Tensor.zeros(device, [4]) }, 'ERR_SHAPE', 'pairwise_costs: y must be a matrix, got f32[4]'],
    [
      { y: Tensor.zeros(device, [4, 2], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'pairwise_costs: y must have the dtype of x, got f64[4, 2]',
    ],
    [{ y: Tensor.zeros(device, [4, 3]) }, 'ERR_SHAPE', 'pairwise_costs: y must have the columns of x, got f32[4, 3]'],
    [
      { out: Tensor.zeros(device, [3, 4], { dtype: 'f64' }) },
      'ERR_DTYPE',
      'pairwise_costs: out must have the dtype of x, got f64[3, 4]',
    ],
    [
      { out: Tensor.zeros(device, [4, 3]) },
      'ERR_SHAPE',
      'pairwise_costs: out must have a row a row of x and a column a row of y, got f32[4, 3]',
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
