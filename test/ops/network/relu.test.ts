// Devices: cpu, cuda
// Source: closed form "gives 0 for -0, keeps NaN and the smallest numbers"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('relu on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(awkward)('keeps what is positive of %i elements, in place too', async (n) => {
      const x = (on: Device) => tensorOf(on, normal(n, 1), [n], dtype);
      const apart = (on: Device) => ({ x: x(on), out: Tensor.full(on, [n], NaN, { dtype }) });
      const over = (own: Tensor) => ({ x: own, out: own });
      await expectLikeReference('relu', device, apart, { ulps: 0 });
      await expectLikeReference('relu', device, (on) => over(x(on)), { ulps: 0 });
    });

    it('gives 0 for -0, keeps NaN and the smallest numbers', async () => {
      const tiny = dtype === 'f32' ? 2 ** -149 : 2 ** -1074;
      const x = tensorOf(device, [0, -0, NaN, Infinity, -Infinity, tiny, -tiny], [7], dtype);
      ops.relu(device, { x, out: x });
      expect(await valuesOf(x)).toEqual(new Float64Array([0, 0, NaN, Infinity, 0, tiny, 0]));
    });
  });

  it('takes tensors of any rank', async () => {
    const x = tensorOf(device, [-1, 2, 3, -4], [1, 2, 1, 2]);
    ops.relu(device, { x, out: x });
    expect(await x.read()).toEqual(new Float32Array([0, 2, 3, 0]));
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [3]), out: Tensor.zeros(device, [3]) });
describe.each(onlyCpu)('relu', () => {
  refusesWrongFields('relu', valid);
  refuses('relu', valid, (device) => [
    [{ x: Tensor.zeros(device, [3], { dtype: 'i32' }) }, 'ERR_DTYPE', 'relu: x must be floating, got i32[3]'],
    [{ out: Tensor.zeros(device, [3], { dtype: 'f64' }) }, 'ERR_DTYPE', "relu: out must have x's dtype, got f64[3]"],
    [{ out: Tensor.zeros(device, [4]) }, 'ERR_SHAPE', "relu: out must have x's shape, got f32[4] for x f32[3]"],
  ]);

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(40001, 1));
      ops.relu(device, { x, out: x });
      return [x];
    }));
});
