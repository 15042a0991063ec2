// Devices: cpu, cuda
// Source: values "SGD" in test/optimizers/check-values.test.ts
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { sgd } from '../../reference/sgd.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { onlyCpu } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { thrownBy } from '../../support/tensors.ts';

const withMomentum: Method = {
  op: 'sgd',
  reference: each(sgd),
  options: { lr: 0.1, momentum: 0.9, dampening: 0.3 },
  states: { momenta: 'like' },
  counts: true,
};
describeStep(withMomentum);
describeStep({ ...withMomentum, options: { lr: 0.1, momentum: 0.9, nesterov: 'on' } });
describeStep({ ...withMomentum, options: { lr: 0.1, momentum: 0.9, nesterov: 'on', momentumForm: 'ema' } });
describeStep({ op: 'sgd', reference: each(sgd), options: { lr: 0.1 }, states: {} });

describeCheckValues(withMomentum, [
  {
    name: 'nesterov .9, l2 decay .01',
    options: { lr: 0.01, momentum: 0.9, nesterov: 'on', weightDecay: 0.01, weightDecayMode: 'l2' },
    wide: [0.4516523831, 0.1063914735, 0.1403119969],
  },
]);

describe.each(onlyCpu)('sgd', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());

  it('refuses what it would not use, and what is no fraction', () => {
    const [weights, grads, momenta] = [0, 1, 2].map(() => [Tensor.zeros(device, [2])]);
    const steps = [Tensor.zeros(device, [1], { dtype: 'i32' })];
    const message = (more: object) =>
      thrownBy(() => ops.sgd(device, { weights: weights!, grads: grads!, ...more })).message;
    expect(message({ steps })).toBe('sgd: momenta are missing for steps, got 1');
    expect(message({ nesterov: 'on' })).toBe('sgd: momenta are missing for nesterov');
    expect(message({ momentum: 0.9 })).toBe('sgd: momenta are missing for momentum, got 0.9');
    expect(message({ momenta, steps, dampening: NaN })).toBe('sgd: dampening must be in [0, 1), got nan');
  });
});
