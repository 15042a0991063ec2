// Shared by row_reduce and column_reduce, each along its own side of a matrix.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Ops, ops, Tensor } from '../../lib/index.ts';
import { reductions } from '../reference/row-reduce.ts';
import { expectClose } from './compare.ts';
import { normal } from './data.ts';
import { devices } from './devices.ts';
import { refuses, refusesWrongFields } from './refusals.ts';
import { expectSameBits, sameBits } from './same-bits.ts';
import { tensorOf, valuesOf } from './tensors.ts';

export interface ReductionOp {
  op: 'rowReduce' | 'columnReduce';
  reference: (x: Float64Array, rows: number, columns: number, reduction: (typeof reductions)[number]) => Float64Array;
  shapes: readonly (readonly [rows: number, columns: number])[];
}

export function describeReduction({ op, reference, shapes }: ReductionOp): void {
  const isRow = op === 'rowReduce';
  const line = isRow ? 'row' : 'column';
  /** The shape of a matrix with so many lines that are reduced, of such a length. */
  const matrix = (count: number, length: number): [number, number] => (isRow ? [count, length] : [length, count]);
  const reduce = (device: Device, fields: Parameters<Ops['rowReduce']>[1]): void => ops[op](device, fields);

  describe.each(devices)(`${op} on %s`, (kind) => {
    const device = Device.open(kind);
    afterAll(() => device.close());

    describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
      it.each(shapes)('reduces %i rows of %i columns, into f64 too', async (rows, columns) => {
        const x = tensorOf(device, normal(rows * columns, 1), [rows, columns], dtype);
        const [before, values] = [await x.read(), await valuesOf(x)];
        const [count, length] = isRow ? [rows, columns] : [columns, rows];
        for (const reduction of reductions) {
          const expected = reference(values, rows, columns, reduction);
          // Terms cancel: what sums in f64 lose is relative to the sum of the sizes.
          const sizes = reference(values.map(Math.abs), rows, columns, reduction);
          for (const outDtype of ['f32', 'f64'] as const) {
            if (dtype === 'f64' && outDtype === 'f32') continue;
            const out = Tensor.full(device, [count], NaN, { dtype: outDtype });
            reduce(device, { x, out, reduction });
            const ulps = reduction === 'max' ? 0 : outDtype === 'f32' ? 0.51 : 4 + Math.sqrt(length);
            const magnitude = outDtype === 'f64' ? sizes : sizes.map((size) => size * 2 ** -24);
            expectClose(await valuesOf(out), expected, { dtype: outDtype, ulps, magnitude });
          }
        }
        expect(sameBits(await x.read(), before)).toBe(true);
      });
    });

    it('keeps what f32 sums and squares would lose', async () => {
      const reduced = async (values: number[], fields: object, dtype: 'f32' | 'f64') => {
        const x = tensorOf(device, values, matrix(1, values.length));
        const out = Tensor.zeros(device, [1], { dtype });
        reduce(device, { x, out, ...fields });
        return [...(await valuesOf(out))];
      };
      expect(await reduced([2 ** 30, 1, 1, -(2 ** 30)], {}, 'f32')).toEqual([2]);
      expect(await reduced([2 ** 90, 2 ** -90], { reduction: 'sum_of_squares' }, 'f64')).toEqual([2 ** 180]);
      expect(await reduced([2 ** 90, 2 ** -90], { reduction: 'sum_of_squares' }, 'f32')).toEqual([Infinity]);
    });

    it('has norms whose squares f64 does not hold, of few elements and many', async () => {
      for (const scale of [2 ** -1000, 2 ** -520, 1, 2 ** 520, 2 ** 1000])
        for (const copies of [1, 9, 400]) {
          const data = Array.from({ length: 4 * copies ** 2 }, (_, i) => (i % 2 === 0 ? 0.3 : -0.4) * scale);
          const x = tensorOf(device, data, matrix(1, data.length), 'f64');
          const out = Tensor.zeros(device, [1], { dtype: 'f64' });
          reduce(device, { x, out, reduction: 'norm' });
          expect((await out.read())[0]! / scale).toBeCloseTo(0.5 * Math.SQRT2 * copies, 9);
        }
    });

    it(`keeps NaN and infinities to their ${line}s`, async () => {
      const lines = [
        [1, NaN],
        [NaN, Infinity],
        [-Infinity, Infinity],
        [1, Infinity],
        [2, -Infinity],
      ];
      const data = isRow ? lines.flat() : [0, 1].flatMap((i) => lines.map((pair) => pair[i]!));
      const x = tensorOf(device, data, matrix(5, 2));
      const out = Tensor.zeros(device, [5]);
      const reduced = async (reduction: (typeof reductions)[number]) => {
        reduce(device, { x, out, reduction });
        return [...(await out.read())];
      };
      expect(await reduced('sum')).toEqual([NaN, NaN, NaN, Infinity, -Infinity]);
      expect(await reduced('mean')).toEqual([NaN, NaN, NaN, Infinity, -Infinity]);
      expect(await reduced('max')).toEqual([NaN, NaN, Infinity, Infinity, 2]);
      for (const reduction of ['sum_of_squares', 'norm'] as const)
        expect(await reduced(reduction)).toEqual([NaN, NaN, Infinity, Infinity, Infinity]);
    });

    it('finds a NaN and the largest element wherever they stand', async () => {
      for (let at = 0; at < 37; at++)
        for (const value of [NaN, 3]) {
          const x = tensorOf(device, new Float64Array(37).fill(-1).with(at, value), matrix(1, 37));
          const out = Tensor.zeros(device, [1]);
          reduce(device, { x, out, reduction: 'max' });
          expect([...(await out.read())]).toEqual([value]);
        }
    });
  });

  const valid = (device: Device) => ({ x: Tensor.zeros(device, matrix(3, 2)), out: Tensor.zeros(device, [3]) });
  describe(op, () => {
    refusesWrongFields(op, valid);
    refuses(op, valid, (device) => {
      const of = (shape: number[], dtype: 'f32' | 'f64' | 'bf16' | 'i32' = 'f32') =>
        Tensor.zeros(device, shape, { dtype });
      const one = of([1]);
      const shape = matrix(3, 2);
      return [
        [
          { x: of(isRow ? [] : [3]) },
          'ERR_SHAPE',
          `${op}: x must have ${isRow ? 'an axis, got f32[]' : 'two axes, got f32[3]'}`,
        ],
        [{ x: of(shape, 'i32') }, 'ERR_DTYPE', `${op}: x must be floating, got i32[${shape.join(', ')}]`],
        [{ out: of([3], 'bf16') }, 'ERR_DTYPE', `${op}: out must have x's dtype or f64, got bf16[3]`],
        [{ x: of(shape, 'f64') }, 'ERR_DTYPE', `${op}: out must have x's dtype or f64, got f32[3]`],
        [
          { out: of([2]) },
          'ERR_SHAPE',
          `${op}: out must have one element a ${line} of x, got f32[2] for x f32[${shape.join(', ')}]`,
        ],
        [{ x: one.reshape([1, 1]), out: one }, 'ERR_ARGUMENT', `${op}: out must not share a tensor with x`],
        [
          { reduction: 'min' },
          'ERR_ARGUMENT',
          `${op}: reduction must be one of 'sum', 'mean', 'max', 'sum_of_squares', 'norm', got 'min'`,
        ],
      ];
    });

    it('gives the same bits on any number of threads', () =>
      expectSameBits((device) => {
        const data = normal(600000, 1);
        return [matrix(2000, 300), matrix(6, 100000)].flatMap((shape) => {
          const x = tensorOf(device, data, shape, 'f64');
          return reductions.map((reduction) => {
            const out = Tensor.zeros(device, [shape[isRow ? 0 : 1]], { dtype: 'f64' });
            reduce(device, { x, out, reduction });
            return out;
          });
        });
      }));
  });
}
