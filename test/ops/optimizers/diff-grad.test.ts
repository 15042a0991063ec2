// Devices: cpu, cuda
// Source: values "diffGrad" in test/optimizers/check-values.test.ts
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { diffGrad } from '../../reference/diff-grad.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const method: Method = {
  op: 'diffGrad',
  reference: each(diffGrad),
  options: { lr: 0.01, eps: 1e-8 },
  states: { momenta: 'like', roots: 'like', previous: 'like' },
  counts: true,
};
describeStep(method);
describeStep({
  ...method,
  options: { lr: 0.01, beta1: 0, beta2: 0, eps: 1e-3 },
  states: { momenta: 'like', roots: 'like' },
});

describeCheckValues(method, [
  {
    name: 'lr .01',
    options: { lr: 0.01 },
    wide: [0.4736517434, 0.0999209444, 0.056255732],
    tall: [0.4736517434, 0.4723851475, 0.0516835441],
  },
]);

describe.each(devices)('diffGrad on %s', (kind) => {
  it.each([
    ['the same gradient again', 3, 0.5],
    ['one that changes by ln 3', 3 + Math.log(3), 0.75],
    ['one that changes by more than a sum with 1 can tell', -1e30, 1],
    ['one that changes by more than f32 holds', -3e38, 1],
  ])('the friction of %s is half, three quarters or all of a step', async (_name, gradient, friction) => {
    const device = Device.open(kind);
    const fields = (previous: object) => ({
      weights: [Tensor.zeros(device, [5])],
      grads: [tensorOf(device, new Float64Array(5).fill(gradient))],
      ...{ momenta: [Tensor.zeros(device, [5])], roots: [Tensor.zeros(device, [5])] },
      ...{ steps: [Tensor.zeros(device, [1], { dtype: 'i32' })], lr: 1, eps: 0, ...previous },
    });
    const first = gradient < -2e38 ? -gradient : 3;
    const previous = [tensorOf(device, new Float64Array(5).fill(first))];
    const own = fields({ previous });
    ops.diffGrad(device, own);
    for (const w of await valuesOf(own.weights[0]!)) expect(w).toBeCloseTo(-Math.sign(gradient) * friction, 5);
    expect([...(await valuesOf(previous[0]!))]).toEqual(new Array(5).fill(Math.fround(gradient)));
    const without = fields({});
    ops.diffGrad(device, without);
    for (const w of await valuesOf(without.weights[0]!)) expect(w).toBeCloseTo(-Math.sign(gradient) * 0.5, 5);
    await device.close();
  });
});
