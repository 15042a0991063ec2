// Devices: cpu, cuda
// Source: property "makes rows along the last axis of root mean square 1: %j"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { rmsNorm as reference } from '../../reference/rms-norm.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('rmsNorm on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(matrixShapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      const fields = (on: Device) => ({
        x: tensorOf(on, normal(rows * columns, 1, 3), [rows, columns], dtype),
        weight: tensorOf(on, normal(columns, 2), [columns], dtype),
        out: Tensor.full(on, [rows, columns], NaN, { dtype }),
      });
      // Three roundings of f32 and that of the reference; in 16 bits, the neighbour where they fall on either side.
      const ulps = dtype === 'f64' ? 8 : dtype === 'f32' ? 3.5 : 1;
      await expectLikeReference('rmsNorm', device, fields, { ulps });
      await expectLikeReference(
        'rmsNorm',
        device,
        (on) => {
          const { x, out } = fields(on);
          return { x, out, eps: 0.5 };
        },
        { ulps },
      );
      const { x, weight, out } = fields(device);
      ops.rmsNorm(device, { x, weight, out });
      ops.rmsNorm(device, { x, weight, out: x });
      expect(sameBits(await x.read(), await out.read())).toBe(true);
    });
  });

  it('has the values of the formula, and eps 1e-6 unless told', async () => {
    const [data, w] = [normal(12, 1, 0.01), normal(4, 2)];
    const [x, weight] = [tensorOf(device, data, [3, 4], 'f64'), tensorOf(device, w, [4], 'f64')];
    const out = Tensor.full(device, [3, 4], NaN, { dtype: 'f64' });
    ops.rmsNorm(device, { x, weight, out });
    expectClose(await valuesOf(out), reference(data, 4, 1e-6, w), { dtype: 'f64', ulps: 8 });
    ops.rmsNorm(device, { x, out, eps: 0.5 });
    expectClose(await valuesOf(out), reference(data, 4, 0.5), { dtype: 'f64', ulps: 8 });
  });

  it.each([[[6]], [[2, 3]], [[1, 2, 3]], [[2, 1, 1, 3]]])(
    'makes rows along the last axis of root mean square 1: %j',
    async (shape) => {
      const x = tensorOf(device, [1, 2, 3, 4, 5, 6], shape, 'f64');
      ops.rmsNorm(device, { x, out: x, eps: 1e-12 });
      const width = shape.at(-1)!;
      const values = await valuesOf(x);
      for (let at = 0; at < 6; at += width)
        expect(values.subarray(at, at + width).reduce((sum, v) => sum + v * v, 0)).toBeCloseTo(width, 10);
    },
  );

  it('keeps rows of zeros, and NaN and infinities to their rows', async () => {
    const x = tensorOf(device, [0, 0, 3, NaN, Infinity, 2, 1e30, 1e30, 1e-30, 0], [5, 2]);
    ops.rmsNorm(device, { x, out: x, eps: 1e-80 });
    const values = await valuesOf(x);
    expect([...values.subarray(0, 8)]).toEqual([0, 0, NaN, NaN, NaN, 0, 1, 1]);
    expect(values[8]).toBeCloseTo(Math.SQRT2, 6);
    expect(values[9]).toBe(0);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  weight: Tensor.zeros(device, [3]),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('rmsNorm', () => {
  refusesWrongFields('rmsNorm', valid, ['weight']);
  refuses('rmsNorm', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const [wide, two] = [Tensor.zeros(device, [3], { dtype: 'f64' }), Tensor.zeros(device, [2])];
    return [
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'rmsNorm: x must be floating, got i32[2, 3]'],
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', 'rmsNorm: x must have an axis, got f32[]'],
      [{ out: f64 }, 'ERR_DTYPE', "rmsNorm: out must have x's dtype, got f64[2, 3]"],
      [{ out: Tensor.zeros(device, [6]) }, 'ERR_SHAPE', "rmsNorm: out must have x's shape, got f32[6] for x f32[2, 3]"],
      [{ weight: wide }, 'ERR_DTYPE', "rmsNorm: weight must have x's dtype, got f64[3]"],
      [{ weight: two }, 'ERR_SHAPE', 'rmsNorm: weight must have one element a column of x, got f32[2] for x f32[2, 3]'],
      [{ eps: 0 }, 'ERR_ARGUMENT', 'rmsNorm: eps must be positive, got 0'],
      [{ eps: NaN }, 'ERR_ARGUMENT', 'rmsNorm: eps must be positive, got nan'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(1000 * 43, 1), [1000, 43]);
      ops.rmsNorm(device, { x, out: x });
      return [x];
    }));
});
