// Devices: cpu, cuda
// Axes: products
// Source: values "HybridAuON head" in test/optimizers/check-values.test.ts
import { afterAll, describe, expect, it } from 'vitest';
import { Device, HybridAuON, ops, Tensor } from '../../../lib/index.ts';
import { hybridAuon } from '../../reference/hybrid-auon.ts';
import { coefficientSets } from '../../reference/newton-schulz.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { onlyCpu } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { thrownBy } from '../../support/tensors.ts';

const jordan = coefficientSets.jordan;
const method: Method = {
  op: 'hybridAuon',
  reference: each(hybridAuon),
  options: { lr: 0.05, coefficients: jordan.slice(0, 3), eps: 1e-7 },
  states: { momenta: 'like' },
  shapes: [[33, 31], [17, 65], [3, 17, 9], [4, 3, 2, 2], [1, 1], [0, 4]], // biome-ignore format: one line
};
describeStep(method);
describeStep({ ...method, options: { ...method.options, variant: 'head', gamma: 1.5, momentumForm: 'heavy-ball' } });

describeStep({ ...method, options: { ...method.options, variant: 'rms', gamma: 0.5 } });

describeCheckValues(method, [
  {
    name: 'head, five steps',
    options: { lr: 0.24, weightDecay: 0.01, variant: 'head', gamma: 1.5, coefficients: jordan },
    wide: [0.2959250307, 0.1094074466, 0.8323380062],
    tall: [0.3723831728, 0.4724396481, 0.8342717941],
  },
  {
    name: 'paper, renormalized, one step',
    options: { lr: 0.24, weightDecay: 0.01, coefficients: jordan.slice(0, 3) },
    wide: [0.3974784446, 0.1245813067, 0.4938359643],
    tall: [0.3742644948, 0.5259011097, 0.5466831855],
  },
]);

describe.each(onlyCpu)('hybrid_auon', () => {
  const device = Device.open('cpu');
  afterAll(() => device.close());

  it('refuses heavy-ball momentum of vectors, which step as in auon', () => {
    const [weights, grads, momenta] = [0, 1, 2].map(() => [Tensor.zeros(device, [2])]) as [
      Tensor[],
      Tensor[],
      Tensor[],
    ];
    const fields = { weights, grads, momenta, lr: 0.1, coefficients: jordan, variant: 'head' } as const;
    ops.hybridAuon(device, fields);
    expect(thrownBy(() => ops.hybridAuon(device, { ...fields, momentumForm: 'heavy-ball' })).code).toBe(
      'ERR_UNSUPPORTED',
    );
    const make = () => new HybridAuON(weights, { variant: 'head', momentumForm: 'heavy-ball' });
    expect(thrownBy(make).code).toBe('ERR_UNSUPPORTED');
  });
});
