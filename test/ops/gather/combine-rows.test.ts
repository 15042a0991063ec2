// Devices: cpu, cuda
// Source: closed form "of unit vectors gives the coefficients in their places"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { combineRows as reference } from '../../reference/combine-rows.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

function indicesOf(count: number, rows: number): number[] {
  const next = uniform(count + rows);
  return Array.from({ length: count }, () => Math.floor(next() * (rows + 1)) - 1);
}

const combine = (device: Device, x: Tensor, indices: Tensor, coefficients: Tensor): Tensor => {
  const out = Tensor.full(device, [indices.shape[0]!, x.shape[1]!], NaN, { dtype: x.dtype });
  ops.combineRows(device, { x, indices, coefficients, out });
  return out;
};

describe.each(devices)('combineRows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('%s', (dtype) => {
    it.each([
      [0, 3, 5, 2],
      [3, 0, 5, 2],
      [3, 5, 0, 2],
      [3, 5, 8, 0],
      [1, 1, 1, 1],
      [31, 33, 43, 5],
      [3, 597, 1029, 5],
      [97, 5, 4, 9],
    ])('%i sums of %i rows of %i elements, %i terms each', async (count, rows, size, terms) => {
      const x = tensorOf(device, normal(rows * size, 1), [rows, size], dtype);
      const indices = indicesOf(count * terms, rows);
      const coefficients = tensorOf(device, normal(count * terms, 2), [count, terms], dtype);
      const expected = reference(await valuesOf(x), indices, await valuesOf(coefficients), size, terms);
      const whole = terms === 0 ? new Float64Array(count * size) : expected;
      const actual = await valuesOf(combine(device, x, tensorOf(device, indices, [count, terms], 'i32'), coefficients));
      expectClose(actual, whole, { dtype, ulps: 1 + terms, magnitude: dtype === 'f32' ? 0 : terms });
    });
  });

  it.each([
    ['bf16', 3, 597, 2049, 33],
    ['f16', 31, 5, 44, 6],
    ['bf16', 2, 3, 1, 0],
  ] as const)(
    'takes rows of %s: %i sums of %i rows of %i elements, %i terms each',
    async (dtype, count, rows, size, terms) => {
      const x = tensorOf(device, normal(rows * size, 1), [rows, size], 'f32').cast(dtype);
      const indices = indicesOf(count * terms, rows);
      const coefficients = tensorOf(device, normal(count * terms, 2), [count, terms], 'f32');
      const given = await valuesOf(x.cast('f32'));
      const expected = reference(given, indices, await valuesOf(coefficients), size, terms);
      const out = Tensor.full(device, [count, size], NaN);
      ops.combineRows(device, { x, indices: tensorOf(device, indices, [count, terms], 'i32'), coefficients, out });
      const whole = terms === 0 ? new Float64Array(count * size) : expected;
      expectClose(await valuesOf(out), whole, { dtype: 'f32', ulps: 1 });
    },
  );

  it.each([
    ['f32', 3, 31, 2049, 33],
    ['f32', 31, 5, 44, 6],
    ['bf16', 2, 5, 140003, 9],
    ['f16', 9, 5, 44, 6],
  ] as const)(
    'takes coefficients of f64 with all their digits: rows of %s, %i sums of %i rows of %i elements, %i terms each',
    async (dtype, count, rows, size, terms) => {
      const x = tensorOf(device, normal(rows * size, 1), [rows, size], 'f32').cast(dtype);
      const given = await valuesOf(x.cast('f32'));
      const indices = indicesOf(count * terms, rows);
      // A row that comes twice nearly goes away: what is left of it are digits that f32 has not.
      const half = [...normal(count * terms, 2)];
      const twice = half.flatMap((value) => [value, 2 ** -30 - value]);
      const places = indices.flatMap((row) => [row, row]);
      const coefficients = tensorOf(device, twice, [count, 2 * terms], 'f64');
      const expected = reference(given, places, twice, size, 2 * terms);
      const out = Tensor.full(device, [count, size], NaN);
      const indicesTwice = tensorOf(device, places, [count, 2 * terms], 'i32');
      ops.combineRows(device, { x, indices: indicesTwice, coefficients, out });
      expectClose(await valuesOf(out), expected, { dtype: 'f32', ulps: 1, magnitude: 2 ** -20 });
    },
  );

  it('without indices takes all rows in their order', async () => {
    const [count, rows, size] = [3, 17, 1029];
    const x = tensorOf(device, normal(rows * size, 1), [rows, size]);
    const coefficients = tensorOf(device, normal(count * rows, 2), [count, rows], 'f64');
    const indices = Int32Array.from({ length: count * rows }, (_, at) => at % rows);
    const out = Tensor.full(device, [count, size], NaN);
    ops.combineRows(device, { x, coefficients, out });
    const expected = reference(await valuesOf(x), indices, await valuesOf(coefficients), size, rows);
    expectClose(await valuesOf(out), expected, { dtype: 'f32', ulps: 1, magnitude: 2 ** -20 });
  });

  it('of unit vectors gives the coefficients in their places', async () => {
    const unit = tensorOf(device, [1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
    const indices = tensorOf(device, [2, 0, 1, 1], [2, 2], 'i32');
    const out = combine(device, unit, indices, tensorOf(device, [5, -1, 2, 0.5], [2, 2]));
    expect(await valuesOf(out)).toEqual(new Float64Array([-1, 0, 5, 0, 2.5, 0]));
  });

  it('adds nothing for indices of no row, and reads nothing there', async () => {
    const indices = tensorOf(device, [-1, 2, 2 ** 31 - 1, -(2 ** 31)], [1, 4], 'i32');
    const out = combine(device, tensorOf(device, [NaN, NaN], [2, 1]), indices, Tensor.full(device, [1, 4], NaN));
    expect(await valuesOf(out)).toEqual(new Float64Array([0]));
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [5, 3]),
  indices: Tensor.zeros(device, [4, 2], { dtype: 'i32' }),
  coefficients: Tensor.zeros(device, [4, 2]),
  out: Tensor.zeros(device, [4, 3]),
});
describe.each(onlyCpu)('combineRows', () => {
  refusesWrongFields('combineRows', valid, ['indices']);
  refuses('combineRows', valid, (device) => [
    [
      { x: Tensor.zeros(device, [5, 3], { dtype: 'f64' }) },
      'ERR_DTYPE',
      "combineRows: out must have x's dtype, or f32 for 16 bits, got f32[4, 3] for x f64[5, 3]",
    ],
    [
      { x: Tensor.zeros(device, [5, 3], { dtype: 'f64' }), out: Tensor.zeros(device, [4, 3], { dtype: 'f64' }) },
      'ERR_DTYPE',
      "combineRows: coefficients must have out's dtype or f64, got f32[4, 2] for out f64[4, 3]",
    ],
    [
      { x: Tensor.zeros(device, [5, 3], { dtype: 'i32' }) },
      'ERR_DTYPE',
      'combineRows: x must be floating, got i32[5, 3]',
    ],
    [
      { x: Tensor.zeros(device, [5, 3]).cast('bf16'), out: Tensor.zeros(device, [4, 3]).cast('bf16') },
      'ERR_DTYPE',
      "combineRows: out must have x's dtype, or f32 for 16 bits, got bf16[4, 3] for x bf16[5, 3]",
    ],
    [
      { x: Tensor.zeros(device, [5]) },
      'ERR_SHAPE',
      'combineRows: x, coefficients and out must be matrices, got f32[5]',
    ],
    [{ indices: Tensor.zeros(device, [4, 2]) }, 'ERR_DTYPE', 'combineRows: indices must be i32, got f32[4, 2]'],
    [
      { indices: Tensor.zeros(device, [4, 3], { dtype: 'i32' }) },
      'ERR_SHAPE',
      'combineRows: indices must have the shape of coefficients, got i32[4, 3] for coefficients f32[4, 2]',
    ],
    [
      { out: Tensor.zeros(device, [5, 3]) },
      'ERR_SHAPE',
      'combineRows: out must have as many rows as coefficients, as long as those of x, got f32[5, 3] for coefficients f32[4, 2] and x f32[5, 3]',
    ],
    [
      { indices: undefined },
      'ERR_SHAPE',
      'combineRows: coefficients without indices must have a column for each row of x, got f32[4, 2] for x f32[5, 3]',
    ],
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => [
      combine(
        device,
        tensorOf(device, normal(33 * 129, 1), [33, 129]),
        tensorOf(device, indicesOf(4097 * 5, 33), [4097, 5], 'i32'),
        tensorOf(device, normal(4097 * 5, 2), [4097, 5]),
      ),
    ]));
});
