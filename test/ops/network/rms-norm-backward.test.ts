// Devices: cpu, cuda
// Source: formula "agrees with central differences of the formula"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { rmsNorm } from '../../reference/rms-norm.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { matrixShapes } from '../../support/matrices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

// The last ones: several rows a block of CUDA's threads, which share each of them; around the columns whose sums fit
// in shared memory.
const shapes = [...matrixShapes, [530, 260], [2, 6108], [2, 6112], [2, 6116]] as const;

describe.each(devices)('rmsNormBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(shapes)('agrees with the reference on %i rows of %i columns, in place too', async (rows, columns) => {
      const of = (on: Device, seed: number) => tensorOf(on, normal(rows * columns, seed), [rows, columns], dtype);
      const fields = (on: Device) => ({ grad: of(on, 1), x: of(on, 2), gradX: of(on, 3) });
      const weights = (on: Device) => ({
        weight: tensorOf(on, normal(columns, 4), [columns], dtype),
        gradWeight: tensorOf(on, normal(columns, 5), [columns], dtype),
      });
      // Terms cancel: the errors are relative to the terms, of which the largest results tell the size. One column leaves
      // eps alone, of terms that are as large as 1 / √eps.
      const ulps = dtype === 'f64' ? 16 + Math.sqrt(rows) : dtype === 'f32' ? 8 : 1;
      const bounds = { ulps, of: 'largest' } as const;
      const eps = columns === 1 ? 0.5 : 1e-6;
      await expectLikeReference('rmsNormBackward', device, (on) => ({ ...fields(on), ...weights(on), eps }), bounds);
      await expectLikeReference(
        'rmsNormBackward',
        device,
        (on) => ({ ...fields(on), ...weights(on), eps, betaX: 1, betaWeight: -2 }),
        bounds,
      );

      // Over either input, and without what nobody asks for.
      const { gradX, ...inputs } = fields(device);
      ops.rmsNormBackward(device, { ...inputs, gradX });
      for (const over of ['grad', 'x'] as const) {
        const { gradX: _, ...own } = fields(device);
        ops.rmsNormBackward(device, { ...own, gradX: own[over] });
        expect(sameBits(await own[over].read(), await gradX.read())).toBe(true);
      }
      const [both, alone] = [weights(device), weights(device)];
      ops.rmsNormBackward(device, { ...inputs, ...both, gradX });
      ops.rmsNormBackward(device, { ...inputs, ...alone });
      expect(sameBits(await both.gradWeight.read(), await alone.gradWeight.read())).toBe(true);
    });
  });

  it('agrees with central differences of the formula', async () => {
    const [x, grad, weight] = [normal(10, 1), normal(10, 2), normal(5, 3)];
    const value = (at: Float64Array, w: Float64Array) =>
      rmsNorm(at, 5, 1e-3, w).reduce((sum, y, j) => sum + y * grad[j]!, 0);
    const of = (data: Float64Array, shape: number[]) => tensorOf(device, data, shape, 'f64');
    const [gradX, gradWeight] = [of(x, [2, 5]), of(weight, [5])];
    const inputs = { grad: of(grad, [2, 5]), x: of(x, [2, 5]), weight: of(weight, [5]), eps: 1e-3 };
    ops.rmsNormBackward(device, { ...inputs, gradX, gradWeight });
    const close = async (tensor: Tensor, data: Float64Array, f: (at: Float64Array) => number) =>
      (await valuesOf(tensor)).forEach((v, j) => {
        const slope = (f(data.with(j, data[j]! + 1e-5)) - f(data.with(j, data[j]! - 1e-5))) / 2e-5;
        expect(v).toBeCloseTo(slope, 8);
      });
    await close(gradX, x, (at) => value(at, weight));
    await close(gradWeight, weight, (at) => value(x, at));
  });

  it('keeps NaN to its row and column, adds only where it is told, and does not read otherwise', async () => {
    const grad = tensorOf(device, [1, NaN, 1, 2, 1, 2], [3, 2]);
    const x = tensorOf(device, [1, 2, NaN, 1, 0, 0], [3, 2]);
    const gradX = Tensor.full(device, [3, 2], NaN);
    const gradWeight = Tensor.full(device, [2], NaN);
    ops.rmsNormBackward(device, { grad, x, gradX, gradWeight, eps: 0.25 });
    const nan = [NaN, NaN];
    expect(await gradX.read()).toEqual(new Float32Array([...nan, ...nan, 2, 4]));
    expect(await gradWeight.read()).toEqual(new Float32Array(nan));
    ops.rmsNormBackward(device, { grad, x, gradX, gradWeight, eps: 0.25, betaX: 1 });
    expect(await gradX.read()).toEqual(new Float32Array([...nan, ...nan, 4, 8]));
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3]),
  x: Tensor.zeros(device, [2, 3]),
  weight: Tensor.zeros(device, [3]),
  gradX: Tensor.zeros(device, [2, 3]),
  gradWeight: Tensor.zeros(device, [3]),
});
describe.each(onlyCpu)('rmsNormBackward', () => {
  refusesWrongFields('rmsNormBackward', valid, ['weight', 'gradX', 'gradWeight']);
  refuses('rmsNormBackward', valid, (device) => {
    const op = 'rmsNormBackward:';
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const turned = Tensor.zeros(device, [3, 2]);
    const [wide, two] = [Tensor.zeros(device, [3], { dtype: 'f64' }), Tensor.zeros(device, [2])];
    return [
      [{ grad: f64.cast('i32') }, 'ERR_DTYPE', `${op} grad must be floating, got i32[2, 3]`],
      [{ grad: Tensor.zeros(device, []) }, 'ERR_SHAPE', `${op} grad must have an axis, got f32[]`],
      [{ x: f64 }, 'ERR_DTYPE', `${op} x must have grad's dtype, got f64[2, 3]`],
      [{ x: turned }, 'ERR_SHAPE', `${op} x must have grad's shape, got f32[3, 2] for grad f32[2, 3]`],
      [{ gradX: undefined, gradWeight: undefined }, 'ERR_ARGUMENT', `${op} gradX is missing, and gradWeight`],
      [{ gradX: f64 }, 'ERR_DTYPE', `${op} gradX must have grad's dtype, got f64[2, 3]`],
      [{ gradX: turned }, 'ERR_SHAPE', `${op} gradX must have grad's shape, got f32[3, 2] for grad f32[2, 3]`],
      ...(['weight', 'gradWeight'] as const).flatMap((field) => [
        [{ [field]: wide }, 'ERR_DTYPE', `${op} ${field} must have grad's dtype, got f64[3]`] as const,
        [
          { [field]: two },
          'ERR_SHAPE',
          `${op} ${field} must have one element a column of grad, got f32[2] for grad f32[2, 3]`,
        ] as const,
      ]),
      [{ eps: 0 }, 'ERR_ARGUMENT', `${op} eps must be positive, got 0`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [grad, x] = [1, 2].map((seed) => tensorOf(device, normal(1000 * 43, seed), [1000, 43]));
      const gradWeight = Tensor.zeros(device, [43]);
      ops.rmsNormBackward(device, { grad: grad!, x: x!, gradX: grad!, gradWeight });
      return [grad!, gradWeight];
    }));
});
