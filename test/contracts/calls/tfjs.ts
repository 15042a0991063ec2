import { SGD } from '../../../lib/index.ts';
import type { Call } from '../call.ts';

/** As much of TensorFlow.js as is looked at before there are variables. */
const tf = {
  Optimizer: class {},
  serialization: { registerClass: () => {} },
  engine: () => ({ registeredVariables: {} }),
  backend: () => ({}),
  tensor: () => ({}),
  dispose: () => {},
};

export const calls: Readonly<Record<string, Call>> = {
  tfjsOptimizer: { args: () => [tf, SGD], options: () => ({ lr: 0.1 }), says: 'SGD' },
  registerTfjsOptimizer: { args: () => [tf] },
};
