// Devices: cpu, cuda
// Axes: products
// Source: closed form "leaves what axes do not span, of length 1"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const roundings = { f32: 2 ** -23, f64: 2 ** -52 };

describe.each(devices)('gramSchmidt on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [0, 5],
      [1, 4097],
      [9, 597],
      [31, 43],
    ])('is like plain loops: %i rows of %i elements', async (count, size) => {
      const fields = (on: Device) => ({
        basis: tensorOf(on, normal(count * size, 1, 1 / Math.sqrt(size)), [count, size], dtype),
        x: tensorOf(on, normal(size, 2), [size], dtype),
        out: Tensor.full(on, [count + 1], NaN, { dtype: 'f64' }),
      });
      // Products and the length come of numbers of x's dtype.
      const of = { f32: 2 ** 29, f64: 2 }[dtype];
      await expectLikeReference('gramSchmidt', device, fields, {
        x: { ulps: 4 + count, of: 'largest' },
        out: { ulps: of * (4 + count), of: 'largest' },
      });
    });

    it.each([
      [9, 597, 2],
      [31, 43, 5],
      [3, 64, 3],
    ])('is like plain loops: %i rows of %i elements, of which the last %i go first', async (count, size, recent) => {
      const fields = (on: Device) => ({
        basis: tensorOf(on, normal(count * size, 1, 1 / Math.sqrt(size)), [count, size], dtype),
        x: tensorOf(on, normal(size, 2), [size], dtype),
        out: Tensor.full(on, [count + 1], NaN, { dtype: 'f64' }),
        recent,
      });
      const of = { f32: 2 ** 29, f64: 2 }[dtype];
      await expectLikeReference('gramSchmidt', device, fields, {
        x: { ulps: 4 + count, of: 'largest' },
        out: { ulps: of * (4 + count), of: 'largest' },
      });
    });

    it('leaves what axes do not span, of length 1', async () => {
      const basis = tensorOf(device, [1, 0, 0, 0, 0, 0, 0, 1, 0, 0], [2, 5], dtype);
      const x = tensorOf(device, [7, 3, -2, 0, 4], [5], dtype);
      const out = Tensor.full(device, [3], NaN, { dtype: 'f64' });
      ops.gramSchmidt(device, { basis, x, out });
      expect([...(await out.read())]).toEqual([7, -2, 5]);
      const left = await valuesOf(x);
      for (const [i, value] of [0, 0.6, 0, 0, 0.8].entries()) expect(Math.abs(left[i]! - value)).toBeLessThan(roundings[dtype]); // biome-ignore format: one line
    });

    it('without rows makes a vector of length 1, and leaves 0 as it is', async () => {
      const out = Tensor.full(device, [1], NaN, { dtype: 'f64' });
      const [x, nothing] = [tensorOf(device, [0, -8, 0], [3], dtype), Tensor.zeros(device, [3], { dtype })];
      const basis = Tensor.zeros(device, [0, 3], { dtype });
      ops.gramSchmidt(device, { basis, x, out });
      expect([[...(await valuesOf(x))], (await out.read())[0]]).toEqual([[0, -1, 0], 8]);
      ops.gramSchmidt(device, { basis, x: nothing, out });
      expect([[...(await valuesOf(nothing))], (await out.read())[0]]).toEqual([[0, 0, 0], 0]);
    });

    it.each([
      [1, 2],
      [31, 43],
      [9, 4097],
    ])(
      'makes %i rows of %i elements orthonormal to rounding, each in its turn, though nearly all of it goes',
      async (count, size) => {
        const matrix = new Tensor(device, [count + 1, size], dtype);
        for (let k = 0; k <= count; ++k) {
          using row = matrix.rows(k, k + 1);
          using x = row.reshape([size]);
          // Beside the rows before it, so little is left that a single pass would not do.
          const given = normal(size, k + 1, k === 0 ? 1 : 2 ** -10);
          for (let i = 0; i < k; ++i) {
            const one = await valuesOf(matrix.rows(i, i + 1));
            for (let j = 0; j < size; ++j) given[j]! += one[j]!;
          }
          x.write(dtype === 'f64' ? given : Float32Array.from(given));
          const out = Tensor.full(device, [k + 1], NaN, { dtype: 'f64' });
          ops.gramSchmidt(device, { basis: matrix.rows(0, k), x, out });
        }
        const rows = await valuesOf(matrix);
        for (let i = 0; i <= count; ++i)
          for (let j = 0; j <= i; ++j) {
            let sum = 0;
            for (let p = 0; p < size; ++p) sum += rows[i * size + p]! * rows[j * size + p]!;
            expect(Math.abs(sum - (i === j ? 1 : 0))).toBeLessThan(8 * Math.sqrt(size) * roundings[dtype]);
          }
      },
    );
  });

  it('gives NaN for NaN', async () => {
    const x = tensorOf(device, [1, NaN]);
    const out = Tensor.zeros(device, [2], { dtype: 'f64' });
    ops.gramSchmidt(device, { basis: tensorOf(device, [1, 0], [1, 2]), x, out });
    expect([...(await out.read())]).toEqual([NaN, NaN]);
    expect([...(await valuesOf(x))]).toEqual([NaN, NaN]);
  });
});

const valid = (device: Device) => ({
  basis: Tensor.zeros(device, [2, 3]),
  x: Tensor.zeros(device, [3]),
  out: Tensor.zeros(device, [3], { dtype: 'f64' }),
});
describe.each(onlyCpu)('gramSchmidt', () => {
  refusesWrongFields('gramSchmidt', valid);
  refuses('gramSchmidt', valid, (device) => {
    const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'i32' = 'f32') => Tensor.zeros(device, shape, { dtype });
    return [
      [{ x: zeros([3], 'i32') }, 'ERR_DTYPE', 'gramSchmidt: x must be f32 or f64, got i32[3]'],
      [{ x: zeros([3, 1]) }, 'ERR_SHAPE', 'gramSchmidt: x must be a vector, got f32[3, 1]'],
      [{ basis: zeros([2, 3], 'f64') }, 'ERR_DTYPE', "gramSchmidt: basis must have x's dtype, got f64[2, 3]"],
      [
        { basis: zeros([2, 4]) },
        'ERR_SHAPE',
        'gramSchmidt: basis must have rows as long as x, got f32[2, 4] for x f32[3]',
      ],
      [{ recent: -1 }, 'ERR_ARGUMENT', 'gramSchmidt: recent must not be negative, got -1'],
      [
        { out: zeros([2], 'f64') },
        'ERR_SHAPE',
        'gramSchmidt: out must be f64 with a number for each row and one more, got f64[2] for 3',
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(40007, 1), [40007]);
      const basis = tensorOf(device, normal(9 * 40007, 2, 1 / 200), [9, 40007]);
      ops.gramSchmidt(device, { basis, x, out: new Tensor(device, [10], 'f64') });
      return [x];
    }));
});
