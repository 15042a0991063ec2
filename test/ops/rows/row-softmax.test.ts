// Devices: cpu, cuda
// Source: property "stays within its bound when a number is added to a row, and in f64 and on CUDA keeps its bits"
// Source: closed form "keeps infinities and NaN to their rows, as PyTorch does"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { rowSoftmax as reference } from '../../reference/row-softmax.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

// f32: as documented. In parts of 2⁻²⁴ of the result, an ulp being one at least: 1.13 for the exponential, as much for
// the sum and 0.4 for what it rounds off; and half an ulp for the product.
// f64: the exponentials (2 ulp each), their sum and the quotient, in this and in the reference.
const ulpsOf = (dtype: 'f32' | 'f64', columns: number) => (dtype === 'f32' ? 3 : 8 + Math.sqrt(columns));

describe.each(devices)('rowSoftmax on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(matrixShapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      const x = tensorOf(device, normal(rows * columns, 1, 20), [rows, columns], dtype);
      const out = Tensor.full(device, [rows, columns], NaN, { dtype });
      const expected = reference(await valuesOf(x), columns);
      ops.rowSoftmax(device, { x, out });
      expectClose(await valuesOf(out), expected, { dtype, ulps: ulpsOf(dtype, columns) });
      ops.rowSoftmax(device, { x, out: x });
      expect(sameBits(await x.read(), await out.read())).toBe(true);
    });

    it('stays within its bound when a number is added to a row, and in f64 and on CUDA keeps its bits', async () => {
      const row = [1, 2, 3, 4];
      const x = tensorOf(device, [row, row.map((a) => a + 4096), row.map((a) => a - 4096)].flat(), [3, 4], dtype);
      ops.rowSoftmax(device, { x, out: x });
      const values = await valuesOf(x);
      for (const moved of [values.slice(4, 8), values.slice(8)])
        if (dtype === 'f64' || device.kind === 'cuda') expect(moved).toEqual(values.slice(0, 4));
        // The CPU reduces each element of f32 by itself. Both results are within the bound of the same truth.
        else expectClose(moved, values.slice(0, 4), { dtype, ulps: 2 * ulpsOf(dtype, 4) });
    });

    it('agrees with the reference far from 0, and row by row where rows beside it do not', async () => {
      const spread = Array.from(normal(70, 3, 9));
      const rows = [0, 16_383, -16_385, 2 ** 20, -(2 ** 100), 60, -60].map((far) => spread.map((v) => far + v));
      const x = tensorOf(device, rows.flat(), [7, 70], dtype);
      const out = Tensor.full(device, [7, 70], NaN, { dtype });
      const expected = reference(await valuesOf(x), 70);
      ops.rowSoftmax(device, { x, out });
      expectClose(await valuesOf(out), expected, { dtype, ulps: ulpsOf(dtype, 70) });
    });
  });

  it('agrees with the reference on many rows of f32', async () => {
    const x = tensorOf(device, normal(1000 * 130, 11, 3), [1000, 130]);
    const expected = reference(await valuesOf(x), 130);
    ops.rowSoftmax(device, { x, out: x });
    expectClose(await valuesOf(x), expected, { dtype: 'f32', ulps: ulpsOf('f32', 130) });
  });

  it.each([4, 8, 16])('sums exponentials of f32 that lose most where registers of %i are added', async (lanes) => {
    // An exponential just above 1/2, two just below half its ulp, and 0, of four registers: added in f32, both are lost.
    // There are 64 fours, so that results are just below a power of 2, where an ulp is smallest.
    const [rows, columns, next] = [100, 256, uniform(12)];
    const large = () => -Math.LN2 + 0.03 * next();
    const of = [large, () => -17.36, () => -17.36, () => -200];
    const row = () => Array.from({ length: columns }, (_, j) => (j === 0 ? 0 : of[Math.floor(j / lanes) % 4]!()));
    const x = tensorOf(device, Array.from({ length: rows }, row).flat(), [rows, columns]);
    const expected = reference(await valuesOf(x), columns);
    ops.rowSoftmax(device, { x, out: x });
    expectClose(await valuesOf(x), expected, { dtype: 'f32', ulps: ulpsOf('f32', columns) });
  });

  it('is right down to the smallest numbers of f32, and 0 below', async () => {
    const x = [0, -50, -86, -87.5, -100, -200, -1000];
    const out = tensorOf(device, x, [1, 7]);
    ops.rowSoftmax(device, { x: out, out });
    expectClose(await valuesOf(out), reference(x, 7), { dtype: 'f32', ulps: ulpsOf('f32', 7) });
    expect((await valuesOf(out)).slice(5)).toEqual(new Float64Array([0, 0]));
  });

  it('is right down to 1e-307 in f64, and 0 where the result would be subnormal', async () => {
    const x = [0, -300, -700, -707.9, -720, -750, -1e300];
    const out = tensorOf(device, x, [1, 7], 'f64');
    ops.rowSoftmax(device, { x: out, out });
    const expected = [...reference(x, 7).slice(0, 4), 0, 0, 0];
    expectClose(await valuesOf(out), expected, { dtype: 'f64', ulps: 8 });
  });

  it('keeps infinities and NaN to their rows, as PyTorch does', async () => {
    const inf = Infinity;
    const x = tensorOf(device, [1, -inf, 1, -inf, -inf, -inf, inf, 0, 0, NaN, 0, 0, 0, 0, -inf], [5, 3]);
    ops.rowSoftmax(device, { x, out: x });
    const nan = [NaN, NaN, NaN];
    expect(await x.read()).toEqual(new Float32Array([0.5, 0, 0.5, ...nan, ...nan, ...nan, 0.5, 0.5, 0]));
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [2, 3]), out: Tensor.zeros(device, [2, 3]) });
describe.each(onlyCpu)('rowSoftmax', () => {
  refusesWrongFields('rowSoftmax', valid);
  refuses('rowSoftmax', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    return [
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'rowSoftmax: x must have an axis, got f32[]'],
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'rowSoftmax: x must be floating, got i32[2, 3]'],
      [{ out: f64 }, 'ERR_DTYPE', "rowSoftmax: out must have x's dtype, got f64[2, 3]"],
      [
        { out: Tensor.zeros(device, [3, 2]) },
        'ERR_SHAPE',
        "rowSoftmax: out must have x's shape, got f32[3, 2] for x f32[2, 3]",
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(1000 * 43, 1), [1000, 43]);
      ops.rowSoftmax(device, { x, out: x });
      return [x];
    }));
});
