// The kinds of jobs, and what a request may say about each. A value that is not here is refused.
import { Problem } from '../problem.mjs';
import { tooLarge } from '../work/memory.mjs';
import { list, number, optional, text, whole, word } from './fields.mjs';

/** @import { Fields } from './fields.mjs' */

export const optimizers = /** @type {const} */ ([
  'adamw',
  'sgd',
  'lion',
  'muon',
  'nor-muon',
  'auon',
  'hybrid-auon',
  'dion',
]);

/** Those for all parameters: beside the others AdamW has what is no matrix, at a rate of its own. */
const forAll = ['adamw', 'sgd', 'lion'];
const standardOtherLr = 0.003;

/** A name in a folder that the server was given, never a path. */
const name = (/** @type {string} */ what, /** @type {string} */ standard) =>
  text(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, `be the name of ${what}: letters, digits, - and _`, standard);
const model = text(
  /^(run:[0-9a-z]{8,10}-[0-9a-f]{8}|folder:[A-Za-z0-9][A-Za-z0-9_-]{0,63})$/,
  'be a model, run:<id> or folder:<name>',
);

/** @type {Fields} */
const training = {
  steps: whole(1, 1_000_000, 500),
  batch: whole(1, 4096, 64),
  seed: whole(0, 2 ** 31 - 1, 1),
  optimizer: word(optimizers, 'muon'),
  lr: number(0, 10, 0.02),
  otherLr: optional(number(0, 10)),
  weightDecay: number(0, 10, 0),
  schedule: word(['constant', 'linear', 'cosine'], 'constant'),
  warmup: whole(0, 100_000, 0),
  checkpointEvery: whole(1, 100_000, 100),
  init: optional(model),
};

/** Fields of a training job that may change while it runs. @type {Fields} */
export const changeable = {
  lr: optional(number(0, 10)),
  otherLr: optional(number(0, 10)),
  weightDecay: optional(number(0, 10)),
};

/** @type {Record<string, { summary: string, trains: boolean, fields: Fields }>} */
export const kinds = {
  mlp: {
    summary: 'trains dense layers with ReLU between them to classify images',
    trains: true,
    fields: { ...training, data: name('images', 'digits'), hidden: list(whole(1, 2048), 1, 8, [128]) },
  },
  cnn: {
    summary: 'trains three convolutions and a head to classify images of 28 × 28 pixels',
    trains: true,
    fields: { ...training, data: name('images', 'digits'), channels: list(whole(1, 256), 3, 3, [8, 16, 32]) },
  },
  gpt: {
    summary: 'trains a transformer to tell the next letter of a text',
    trains: true,
    fields: {
      ...training,
      data: name('a text', 'moby-dick'),
      width: whole(8, 1024, 32),
      blocks: whole(1, 12, 2),
      context: whole(2, 512, 32),
    },
  },
  merge: {
    summary: 'merges models that were trained from one base (mergeModels)',
    trains: false,
    fields: {
      base: model,
      models: list(model, 1, 16),
      method: word(['average', 'arithmetic', 'ties', 'opcm'], 'average'),
      weights: optional(list(number(-100, 100), 1, 16)),
      scale: optional(number(-100, 100)),
      density: optional(number(1e-6, 1)),
      alpha: optional(number(0, 0.999)),
    },
  },
  transplant: {
    summary: "gives a model another one's tokenizer (transplant)",
    trains: false,
    fields: { base: model, donor: model, k: optional(whole(1, 1024)), seed: optional(whole(0, 2 ** 31 - 1)) },
  },
  compress: {
    summary: 'gives the matrices of a model few bits (compressModel)',
    trains: false,
    fields: {
      base: model,
      method: word(['group', 'codebook'], 'group'),
      bits: whole(1, 8, 4),
      group: optional(whole(1, 65536)),
      groups: optional(whole(1, 65536)),
      seed: optional(whole(0, 2 ** 31 - 1)),
    },
  },
};

/**
 * Faults that no field shows by itself: values that contradict each other, or need too much together.
 *
 * @param {string} kind
 * @param {Record<string, any>} params
 * @param {{ jobBytes: number }} limits
 * @returns {Record<string, any>} the parameters, with defaults that depend on others
 */
export function settled(kind, params, { jobBytes }) {
  if (!kinds[kind].trains) return params;
  const refusal = tooLarge(kind, params, jobBytes);
  if (refusal) throw new Problem('ERR_ARGUMENT', `${kind}: ${refusal}`);
  refuseOtherLr(params.optimizer, params, kind);
  return forAll.includes(params.optimizer) ? params : { ...params, otherLr: params.otherLr ?? standardOtherLr };
}

/** @param {string} optimizer @param {Record<string, any>} values @param {string} where the name that messages begin with */
export function refuseOtherLr(optimizer, { otherLr }, where) {
  if (otherLr !== undefined && forAll.includes(optimizer))
    throw new Problem('ERR_ARGUMENT', `${where}: otherLr must not be given for ${optimizer}, which has lr alone`);
}
