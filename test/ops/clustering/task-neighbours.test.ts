// Devices: cpu, cuda
// Source: closed form "finds the neighbours of points on a line"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { productsOf } from '../../support/cluster-problems.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';

describe.each(devices)('taskNeighbours on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [3, 31, 2, 0],
    [2, 33, 5, 4],
    [1, 200, 199, 0],
    [5, 3, 0, 1],
    [0, 3, 1, 0],
    [2, 1, 0, 0],
  ])('agrees with the reference on %i tasks of %i rows, %i neighbours, from %i on', (tasks, n, count, from) =>
    expectLikeReference(
      'taskNeighbours',
      device,
      (on) => ({
        products: Tensor.from(on, productsOf(tasks, n, 1), [tasks, n, n]),
        index: Tensor.full(on, [tasks, n, count], 0, { dtype: 'i32' }),
        distances: Tensor.full(on, [tasks, n, count], NaN, { dtype: 'f64' }),
        from,
      }),
      { ulps: 2 },
    ),
  );

  it('finds the neighbours of points on a line', async () => {
    const points = [0, 1, 1, 5, NaN];
    const products = Tensor.from(device, Float64Array.from(points.flatMap((a) => points.map((b) => a * b))), [1, 5, 5]);
    const index = Tensor.zeros(device, [1, 5, 3], { dtype: 'i32' });
    const distances = Tensor.zeros(device, [1, 5, 3], { dtype: 'f64' });
    ops.taskNeighbours(device, { products, index, distances });
    expect([...(await index.read())]).toEqual([1, 2, 3, 2, 0, 3, 1, 0, 3, 1, 2, 0, 0, 1, 2]);
    expect([...(await distances.read())].slice(0, 12)).toEqual([1, 1, 25, 0, 1, 16, 0, 1, 16, 16, 16, 25]);
  });
});

const valid = (device: Device) => ({
  products: Tensor.zeros(device, [2, 3, 3], { dtype: 'f64' }),
  index: Tensor.zeros(device, [2, 3, 1], { dtype: 'i32' }),
  distances: Tensor.zeros(device, [2, 3, 1], { dtype: 'f64' }),
});
describe.each(onlyCpu)('taskNeighbours', () => {
  refusesWrongFields('taskNeighbours', valid);
  refuses('taskNeighbours', valid, (device) => [
    [{ products: Tensor.zeros(device, [2, 3, 3]) }, 'ERR_DTYPE', 'taskNeighbours: products must be f64, got f32[2, 3, 3]'],
    [{ products: Tensor.zeros(device, [2, 3, 4], { dtype: 'f64' }) }, 'ERR_SHAPE', 'taskNeighbours: products must be square matrices of tasks, got f64[2, 3, 4]'],
    [{ from: 4 }, 'ERR_ARGUMENT', 'taskNeighbours: from must be a row of the products, got 4'],
    [{ from: 2 }, 'ERR_SHAPE', 'taskNeighbours: index must have a row a row, of fewer columns than rows take part, got i32[2, 3, 1] for products f64[2, 3, 3]'],
    [{ index: Tensor.zeros(device, [2, 3, 1]) }, 'ERR_DTYPE', 'taskNeighbours: index must be i32, got f32[2, 3, 1]'],
    [{ distances: Tensor.zeros(device, [2, 3, 1]) }, 'ERR_DTYPE', 'taskNeighbours: distances must be f64, got f32[2, 3, 1]'],
    [{ distances: Tensor.zeros(device, [2, 3, 2], { dtype: 'f64' }) }, 'ERR_SHAPE', "taskNeighbours: distances must have index' shape, got f64[2, 3, 2] for index i32[2, 3, 1]"],
  ]); // biome-ignore format: a line each

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const products = Tensor.from(device, productsOf(5, 100, 1), [5, 100, 100]);
      const index = Tensor.zeros(device, [5, 100, 3], { dtype: 'i32' });
      const distances = Tensor.zeros(device, [5, 100, 3], { dtype: 'f64' });
      ops.taskNeighbours(device, { products, index, distances });
      return [index, distances];
    }));
});
