// Devices: cpu, cuda
// Source: closed form "gives 0 where x is 0 or NaN, and passes NaN where x is positive"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf } from '../../support/tensors.ts';

describe.each(devices)('reluBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64'] as const)('in %s', (dtype) => {
    it.each(awkward)('passes %i gradients where x is positive, in place too', async (n) => {
      const inputs = (on: Device) => ({
        grad: tensorOf(on, normal(n, 1), [n], dtype),
        x: tensorOf(on, normal(n, 2), [n], dtype),
      });
      const apart = (on: Device) => ({ ...inputs(on), out: Tensor.full(on, [n], NaN, { dtype }) });
      const over = (own: { grad: Tensor; x: Tensor }) => ({ ...own, out: own.grad });
      await expectLikeReference('reluBackward', device, apart, { ulps: 0 });
      await expectLikeReference('reluBackward', device, (on) => over(inputs(on)), { ulps: 0 });
    });
  });

  it('is the same from the output of relu as from its input', async () => {
    const [grad, x] = [tensorOf(device, normal(33, 1)), tensorOf(device, normal(33, 2))];
    const [y, fromInput, fromOutput] = [x.copy(), x.copy(), x.copy()];
    ops.relu(device, { x, out: y });
    ops.reluBackward(device, { grad, x, out: fromInput });
    ops.reluBackward(device, { grad, x: y, out: fromOutput });
    expect(await fromOutput.read()).toEqual(await fromInput.read());
  });

  it('gives 0 where x is 0 or NaN, and passes NaN where x is positive', async () => {
    const grad = tensorOf(device, [1, 1, 1, NaN, NaN, Infinity, -0]);
    const x = tensorOf(device, [0, -0, NaN, 1, -1, -1, 1]);
    ops.reluBackward(device, { grad, x, out: grad });
    expect(await grad.read()).toEqual(new Float32Array([0, 0, 0, NaN, 0, 0, -0]));
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [3]),
  x: Tensor.zeros(device, [3]),
  out: Tensor.zeros(device, [3]),
});
describe.each(onlyCpu)('reluBackward', () => {
  refusesWrongFields('reluBackward', valid);
  refuses('reluBackward', valid, (device) => {
    const f64 = Tensor.zeros(device, [3], { dtype: 'f64' });
    const four = Tensor.zeros(device, [4]);
    return [
      [{ grad: f64.cast('i32') }, 'ERR_DTYPE', 'reluBackward: grad must be floating, got i32[3]'],
      [{ x: f64 }, 'ERR_DTYPE', "reluBackward: x must have grad's dtype, got f64[3]"],
      [{ out: f64 }, 'ERR_DTYPE', "reluBackward: out must have grad's dtype, got f64[3]"],
      [{ x: four }, 'ERR_SHAPE', "reluBackward: x must have grad's shape, got f32[4] for grad f32[3]"],
      [{ out: four }, 'ERR_SHAPE', "reluBackward: out must have grad's shape, got f32[4] for grad f32[3]"],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [grad, x] = [tensorOf(device, normal(40001, 1)), tensorOf(device, normal(40001, 2))];
      ops.reluBackward(device, { grad, x, out: grad });
      return [grad];
    }));
});
