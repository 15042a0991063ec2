// Optimizers that are compared. Each has seven rates, factors of two around one of its own, so that all are tuned by as many runs.
// Methods for matrices take the matrices of the layers, and AdamW, at one rate for all of them, what is left: biases,
// normalizations, tables. Nothing decays: decay would be a second thing to tune.
import {
  AdaGrad,
  AdamW,
  AdaptiveBatch,
  AuON,
  Conda,
  clipCoordinates,
  combine,
  DCTAdamW,
  DiffGrad,
  Dion,
  Dion2,
  EG,
  HybridAuON,
  Lion,
  Muon,
  NorMuon,
  SGD,
  Trion,
} from 'orthokit';

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {number} rate in the middle of the grid
 * @property {object} options of its class, beside the rate
 * @property {boolean} [beside] AdamW has what is no matrix of a layer
 * @property {Record<string, number>} [rates] the same for some tasks
 * @property {(parameters: { matrices: import('orthokit').Tensor[], others: import('orthokit').Tensor[] }, lr: number) => any} make
 * @property {(grads: any) => void} [prepare] changes gradients before a step
 * @property {{ first: number, last: number }} [sizes] of batches, which grow between them; else those of the task
 * @property {readonly string[]} [tasks] default: all
 */

/** Rates of a grid over the one in its middle. */
export const grid = [-3, -2, -1, 0, 1, 2, 3].map((power) => 2 ** power);
/** The rate of AdamW beside a method for matrices. */
export const rateBeside = 0.003;
/** The rank of methods of low rank: a quarter of the width of the GPT. */
const rank = 32;

/** @param {string} name @param {any} optimizer @param {number} rate @param {object} [options] @returns {Contestant} */
const whole = (name, optimizer, rate, options = {}) => ({
  ...{ name, rate, options },
  make: ({ matrices, others }, lr) => new optimizer([...matrices, ...others], { lr, weightDecay: 0, ...options }),
});

/** @param {string} name @param {any} optimizer @param {number} rate @param {object} [options] @returns {Contestant} */
const ofMatrices = (name, optimizer, rate, options = {}) => ({
  ...{ name, rate, options, beside: true },
  make: ({ matrices, others }, lr) =>
    combine([
      { optimizer, params: matrices, lr, weightDecay: 0, ...options },
      { optimizer: AdamW, params: others, lr: rateBeside, weightDecay: 0 },
    ]),
});

/** @param {string} name @param {number} first @param {number} last @returns {Contestant} */
const ofBatches = (name, first, last) => ({
  ...whole(name, AdaGrad, 0.02),
  ...{ sizes: { first, last }, tasks: ['mlp'] },
});

/** The test by which batches grow, and its bound. */
export const growth = /** @type {const} */ ({ test: 'norm', eta: 1 });
/** The rule by which the batches of a contestant grow; a size that is its own last one stays. */
export const batchRule = (/** @type {{ first: number, last: number }} */ { first, last }) =>
  new AdaptiveBatch({ ...growth, batchSize: first, maxBatchSize: last });

/** Clipping of the coordinates of each gradient, behind a name that tells of it. */
export const clipping = { fraction: 0.1 };
const sgd = whole('SGD', SGD, 0.1, { momentum: 0.9 });

/** @type {readonly Contestant[]} */
export const contestants = [
  sgd,
  { ...sgd, name: 'SGD + clipCoordinates', prepare: (grads) => clipCoordinates(grads, clipping).dispose() },
  whole('AdamW', AdamW, 0.004),
  { ...whole('DiffGrad', DiffGrad, 0.004), rates: { cnn: 0.032 } },
  whole('Lion', Lion, 0.001),
  { ...ofMatrices('AuON', AuON, 0.1), rates: { gpt: 0.0125 } },
  { ...ofMatrices('HybridAuON', HybridAuON, 0.2), rates: { gpt: 0.05 } },
  ofMatrices('Muon', Muon, 0.02),
  ofMatrices('NorMuon', NorMuon, 0.02),
  { ...ofMatrices('Dion', Dion, 0.08, { rank }), rates: { gpt: 0.02 } },
  { ...ofMatrices('Dion2', Dion2, 0.16), rates: { cnn: 1.28, gpt: 0.02 } },
  ofMatrices('Trion', Trion, 0.04, { rank }),
  // Runs are short: a basis serves a tenth of them or so.
  { ...ofMatrices('Conda', Conda, 0.01, { betas: [0.9, 0.99], gap: 50 }), rates: { cnn: 0.08 } },
  // It has full rank here, as Conda has.
  { ...ofMatrices('DCTAdamW', DCTAdamW, 0.004), rates: { gpt: 0.001 } },
  { ...ofMatrices('EG', EG, 0.4, { momentum: 0.9 }), rates: { gpt: 0.1 } },
  ofBatches('AdaGrad, batches of 16', 16, 16),
  ofBatches('AdaGrad, batches that grow', 16, 1024),
  ofBatches('AdaGrad, batches of 1024', 1024, 1024),
];

/** @param {string} name @returns {Contestant} */
export function contestantOf(name) {
  const found = contestants.find((contestant) => contestant.name === name);
  if (!found) throw new Error(`no optimizer is named ${name}`);
  return found;
}

/** @param {Contestant} contestant @param {string} task @returns {number[]} its rates, from small ones to large ones */
export const ratesOf = ({ rate, rates }, task) => grid.map((factor) => factor * (rates?.[task] ?? rate));

/** @param {string} task @returns {readonly Contestant[]} */
export const contestantsOf = (task) => contestants.filter(({ tasks }) => !tasks || tasks.includes(task));
