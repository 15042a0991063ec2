import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { columnReduce as reference } from '../reference/column-reduce.ts';
import { reductions } from '../reference/row-reduce.ts';
import { expectClose } from '../support/compare.ts';
import { normal } from '../support/data.ts';
import { matrixShapes } from '../support/matrices.ts';
import { refuses, refusesWrongFields } from '../support/refusals.ts';
import { expectSameBits, sameBits } from '../support/same-bits.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

const shapes = [...matrixShapes, [5, 16385]] as const;

describe.each(Device.available)('columnReduce on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(shapes)('reduces %i rows of %i columns, into f64 too', async (rows, columns) => {
      const x = tensorOf(device, normal(rows * columns, 1), [rows, columns], dtype);
      const [before, values] = [await x.read(), await valuesOf(x)];
      const [count, length] = [columns, rows];
      for (const reduction of reductions) {
        const expected = reference(values, rows, columns, reduction);
        // Terms cancel: what sums in f64 lose is relative to the sum of the sizes.
        const sizes = reference(values.map(Math.abs), rows, columns, reduction);
        for (const outDtype of ['f32', 'f64'] as const) {
          if (dtype === 'f64' && outDtype === 'f32') continue;
          const out = Tensor.full(device, [count], NaN, { dtype: outDtype });
          ops.columnReduce(device, { x, out, reduction });
          const ulps = reduction === 'max' ? 0 : outDtype === 'f32' ? 0.51 : 4 + Math.sqrt(length);
          const magnitude = outDtype === 'f64' ? sizes : sizes.map((size) => size * 2 ** -24);
          expectClose(await valuesOf(out), expected, { dtype: outDtype, ulps, magnitude });
        }
      }
      expect(sameBits(await x.read(), before)).toBe(true);
    });
  });

  it('keeps what f32 sums and squares would lose', async () => {
    const reduce = async (values: number[], fields: object, dtype: 'f32' | 'f64') => {
      const x = tensorOf(device, values, [values.length, 1]);
      const out = Tensor.zeros(device, [1], { dtype });
      ops.columnReduce(device, { x, out, ...fields });
      return [...(await valuesOf(out))];
    };
    expect(await reduce([2 ** 30, 1, 1, -(2 ** 30)], {}, 'f32')).toEqual([2]);
    expect(await reduce([2 ** 90, 2 ** -90], { reduction: 'sum_of_squares' }, 'f64')).toEqual([2 ** 180]);
    expect(await reduce([2 ** 90, 2 ** -90], { reduction: 'sum_of_squares' }, 'f32')).toEqual([Infinity]);
  });

  it('keeps NaN and infinities to their columns', async () => {
    const [top, bottom] = [
      [1, NaN, -Infinity, 1, 2],
      [NaN, Infinity, Infinity, Infinity, -Infinity],
    ];
    const x = tensorOf(device, [...top!, ...bottom!], [2, 5]);
    const out = Tensor.zeros(device, [5]);
    const reduce = async (reduction: (typeof reductions)[number]) => {
      ops.columnReduce(device, { x, out, reduction });
      return [...(await out.read())];
    };
    expect(await reduce('sum')).toEqual([NaN, NaN, NaN, Infinity, -Infinity]);
    expect(await reduce('mean')).toEqual([NaN, NaN, NaN, Infinity, -Infinity]);
    expect(await reduce('max')).toEqual([NaN, NaN, Infinity, Infinity, 2]);
    expect(await reduce('sum_of_squares')).toEqual([NaN, NaN, Infinity, Infinity, Infinity]);
  });

  it('finds a NaN and the largest element wherever they stand', async () => {
    for (let at = 0; at < 37; at++)
      for (const value of [NaN, 3]) {
        const x = tensorOf(device, new Float64Array(37).fill(-1).with(at, value), [37, 1]);
        const out = Tensor.zeros(device, [1]);
        ops.columnReduce(device, { x, out, reduction: 'max' });
        expect([...(await out.read())]).toEqual([value]);
      }
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [2, 3]), out: Tensor.zeros(device, [3]) });
describe('columnReduce', () => {
  refusesWrongFields('columnReduce', 'column_reduce', valid);
  refuses('columnReduce', valid, (device) => {
    const of = (shape: number[], dtype: 'f32' | 'f64' | 'bf16' = 'f32') => Tensor.zeros(device, shape, { dtype });
    const one = of([1]);
    return [
      [{ x: of([3]) }, 'ERR_SHAPE', 'column_reduce: x must be a matrix, got f32[3]'],
      [{ x: of([2, 3], 'bf16') }, 'ERR_DTYPE', 'column_reduce: x must be f32 or f64, got bf16[2, 3]'],
      [{ out: of([3], 'bf16') }, 'ERR_DTYPE', "column_reduce: out must have x's dtype or f64, got bf16[3]"],
      [{ x: of([2, 3], 'f64') }, 'ERR_DTYPE', "column_reduce: out must have x's dtype or f64, got f32[3]"],
      [{ out: of([2]) }, 'ERR_SHAPE', 'column_reduce: out must have one element a column of x, got f32[2]'],
      [{ x: one.reshape([1, 1]), out: one }, 'ERR_ARGUMENT', 'column_reduce: out must not share a tensor with x'],
      [
        { reduction: 'min' },
        'ERR_ARGUMENT',
        'column_reduce: reduction must be one of sum, mean, max, sum_of_squares, got min',
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(600000, 1), [600000 / 300, 300], 'f64');
      return [x, x.reshape([100000, 6])].flatMap((matrix) =>
        reductions.map((reduction) => {
          const out = Tensor.zeros(device, [matrix.shape[1]!], { dtype: 'f64' });
          ops.columnReduce(device, { x: matrix, out, reduction });
          return out;
        }),
      );
    }));
});
