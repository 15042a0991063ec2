import { sgd } from '../reference/sgd.ts';
import { describeCheckValues } from '../support/check-values.ts';
import { describeStep, each, type Method } from '../support/steps.ts';

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
