// Devices: cpu, cuda
// Source: closed form "takes the elements of a vector and the slices of a tensor of rank 5"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { dtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

/** Rows of a table of `rows`, with some before and behind it. */
function indicesOf(count: number, rows: number): number[] {
  const next = uniform(count + rows);
  return Array.from({ length: count }, () => Math.floor(next() * (rows + 2)) - 1);
}

describe.each(devices)('gatherRows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const gather = async (x: Tensor, index: readonly number[], shape: readonly number[]) => {
    const out = Tensor.full(device, shape, 1, { dtype: x.dtype });
    ops.gatherRows(device, { x, index: tensorOf(device, index, [index.length], 'i32'), out });
    return valuesOf(out);
  };

  it.each([
    [0, 5, 3],
    [5, 0, 3],
    [5, 4, 0],
    [1, 1, 1],
    [33, 31, 1],
    [31, 597, 43],
    [4097, 33, 5],
  ])('%i of %i rows of %i elements', async (count, rows, size) => {
    for (const dtype of dtypes) {
      const fields = (on: Device) => ({
        x: tensorOf(on, normal(rows * size, 1, 100), [rows, size], dtype),
        index: tensorOf(on, indicesOf(count, rows), [count], 'i32'),
        out: Tensor.full(on, [count, size], 1, { dtype }),
      });
      await expectLikeReference('gatherRows', device, fields, { ulps: 0 });
    }
  });

  it('takes the elements of a vector and the slices of a tensor of rank 5', async () => {
    expect(await gather(tensorOf(device, [1, 2, 3]), [2, 0, 2, 2], [4])).toEqual(new Float64Array([3, 1, 3, 3]));
    const x = tensorOf(device, [1, 2, 3, 4], [2, 1, 2, 1, 1]);
    expect(await gather(x, [1], [1, 1, 2, 1, 1])).toEqual(new Float64Array([3, 4]));
  });

  it('copies -0, infinities and NaN, and never reads outside', async () => {
    const x = tensorOf(device, [-0, Infinity, NaN, -Infinity], [2, 2]);
    const index = [0, 1, 2, -1, 2 ** 31 - 1, -(2 ** 31)];
    const expected = [-0, Infinity, NaN, -Infinity, ...new Array(8).fill(NaN)];
    expect(await gather(x, index, [6, 2])).toEqual(new Float64Array(expected));
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [5, 3]),
  index: Tensor.zeros(device, [2], { dtype: 'i32' }),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('gatherRows', () => {
  refusesWrongFields('gatherRows', valid);
  refuses('gatherRows', valid, (device) => {
    const i32 = Tensor.zeros(device, [2], { dtype: 'i32' });
    const shape = 'gatherRows: out must have one row of x an element of index, got';
    return [
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'gatherRows: x must have rows, got f32[]'],
      [{ index: Tensor.zeros(device, [2]) }, 'ERR_DTYPE', 'gatherRows: index must be i32, got f32[2]'],
      [{ index: i32.reshape([1, 2]) }, 'ERR_SHAPE', `${shape} f32[2, 3] for x f32[5, 3] and index i32[1, 2]`],
      [
        { out: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) },
        'ERR_DTYPE',
        "gatherRows: out must have x's dtype, got f64[2, 3]",
      ],
      [{ out: Tensor.zeros(device, [3, 3]) }, 'ERR_SHAPE', `${shape} f32[3, 3] for x f32[5, 3] and index i32[2]`],
      [{ out: Tensor.zeros(device, [2, 4]) }, 'ERR_SHAPE', `${shape} f32[2, 4] for x f32[5, 3] and index i32[2]`],
      [{ out: Tensor.zeros(device, [6]) }, 'ERR_SHAPE', `${shape} f32[6] for x f32[5, 3] and index i32[2]`],
      [{ x: i32, index: i32, out: i32 }, 'ERR_ARGUMENT', 'gatherRows: out must not share a tensor with x'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const out = Tensor.zeros(device, [4097, 17]);
      const index = tensorOf(device, indicesOf(4097, 33), [4097], 'i32');
      ops.gatherRows(device, { x: tensorOf(device, normal(33 * 17, 1), [33, 17]), index, out });
      return [out];
    }));
});
