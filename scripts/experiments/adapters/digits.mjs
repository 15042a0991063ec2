// A network that was trained on upright digits, and the task that adapters learn: the same digits, turned over their diagonal.
import { AdamW, Device, ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { classes, loadDigits, pixels, shuffledBatches } from '../../../examples/digits/data.mjs';

const side = Math.sqrt(pixels);

/** Sizes of the experiment. */
export const sizes = {
  full: { every: 1, hidden: 128, epochs: 5, steps: 300, rounds: 30, batch: 128 },
  quick: { every: 20, hidden: 16, epochs: 2, steps: 8, rounds: 2, batch: 32 },
};
/** @typedef {typeof sizes.full} Size */

export const device = Device.open('cpu', { threads: 1 });

/** @param {any} model @param {any} x */
const logitsOf = (model, x) => {
  const [first, ...rest] = model.layers;
  return rest.reduce(
    (/** @type {any} */ value, /** @type {any} */ layer) => nn.linear(layer, nn.relu(value)),
    nn.linear(first, x),
  );
};
/** @param {any} model @param {any} x @param {any} labels */
export const loss = (model, x, labels) => nn.crossEntropy(logitsOf(model, x), labels);

/** @type {Map<number, any>} */
const loaded = new Map();

/**
 * Digits as arrays, one of so many: upright to begin with, and turned for the task.
 *
 * @param {number} every
 */
export function digits(every) {
  const known = loaded.get(every);
  if (known) return known;
  const { train, test } = loadDigits();
  const of = (/** @type {any} */ all, /** @type {boolean} */ isTurned) => {
    const labels = all.labels.filter((/** @type {number} */ _, /** @type {number} */ i) => i % every === 0);
    const images = new Float32Array(labels.length * pixels);
    for (let i = 0; i < labels.length; ++i)
      for (let p = 0; p < pixels; ++p) {
        const from = isTurned ? (p % side) * side + Math.floor(p / side) : p;
        images[i * pixels + p] = all.images[i * every * pixels + from];
      }
    return { images, labels };
  };
  const found = { upright: of(train, false), train: of(train, true), test: of(test, true) };
  loaded.set(every, found);
  return found;
}

/** Rows of a part of the digits. @param {any} part @param {ArrayLike<number>} index */
export function batchOf(part, index) {
  const images = new Float32Array(index.length * pixels);
  const labels = new Int32Array(index.length);
  for (let i = 0; i < index.length; ++i) {
    images.set(part.images.subarray(index[i] * pixels, (index[i] + 1) * pixels), i * pixels);
    labels[i] = part.labels[index[i]];
  }
  return [Tensor.from(device, images, [index.length, pixels]), Tensor.from(device, labels, [index.length])];
}

/** Batches of a part, for so many steps. @param {any} part @param {{ batch: number, steps: number, seed: number }} options */
export function batchesOf(part, { batch, steps, seed }) {
  const count = part.labels.length;
  const epochs = Math.ceil(steps / Math.floor(count / batch));
  return shuffledBatches({ count, epochs, batchSize: batch, seed }).flat().slice(0, steps);
}

/** @type {Map<string, any>} */
const networks = new Map();

/** A network of its own that knows upright digits. @param {Size} size @param {number} seed */
export function trained(size, seed) {
  const key = `${size.hidden} ${seed}`;
  if (!networks.has(key)) networks.set(key, train(size, seed));
  return nn.mapTensors(networks.get(key), (tensor) => tensor.copy());
}

/** @param {Size} size @param {number} seed */
function train({ every, hidden, epochs, batch }, seed) {
  const make = nn.init(device, { seed });
  const widths = [pixels, hidden, hidden, classes];
  const layers = widths
    .slice(1)
    .map((width, i) => make.linear(widths[i], width, { deviation: Math.sqrt(2 / widths[i]) }));
  const model = { layers };
  const { upright } = digits(every);
  const optimizer = new AdamW(nn.select(model, '**'), { lr: 2e-3, weightDecay: 0 });
  const step = nn.valueAndGrad(loss);
  const steps = epochs * Math.floor(upright.labels.length / batch);
  for (const index of batchesOf(upright, { batch, steps, seed })) {
    const [x, labels] = batchOf(upright, index);
    optimizer.step(step(model, x, labels).grads);
    for (const tensor of [x, labels]) tensor.dispose();
  }
  step.dispose();
  return model;
}

/** The share of turned digits that a model knows, and its loss. @param {any} model @param {Size} size */
export async function tested(model, { every }) {
  const { test } = digits(every);
  const count = test.labels.length;
  const [x, labels] = batchOf(
    test,
    Int32Array.from({ length: count }, (_, i) => i),
  );
  // A model of frozen layers alone has nothing that is trained.
  const evaluate = nn.forward((/** @type {any} */ m, /** @type {any} */ images) => logitsOf(m, images));
  const logits = await evaluate(model, x).read();
  let right = 0;
  for (let i = 0; i < count; ++i) {
    const row = Array.from(logits.subarray(i * classes, (i + 1) * classes));
    if (row.indexOf(Math.max(...row)) === test.labels[i]) right += 1;
  }
  evaluate.dispose();
  for (const tensor of [x, labels]) tensor.dispose();
  return right / count;
}

/** The numbers of a model that are trained. @param {any} model */
export const trainedNumbers = (model) => nn.parameters(model).reduce((sum, { size }) => sum + size, 0);

/** Weighted sums queue here. @param {any} out @param {readonly [number, any][]} terms */
export const combine = (out, terms) =>
  ops.linearCombination(device, {
    out: [out],
    terms: terms.map(([, term]) => term),
    coefficients: terms.map(([factor]) => factor),
  });
