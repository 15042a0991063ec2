// The GPT of letters that is made smaller: trained on one text, its matrices exchanged, its layers' inputs, its copies elsewhere.
import { Device, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { windows } from '../../../examples/gpt/text.mjs';
import { loadTexts } from '../merging/texts.mjs';
import { newModel, train } from '../merging/train.mjs';
import { movedTo } from '../moved-to.mjs';

/** @import { Gpt } from '../../../examples/gpt/model.mjs' */
/** @typedef {'full' | 'quick'} SizeName */

export const sizes = {
  full: { width: 64, heads: 4, blocks: 2, context: 32, batch: 8, windows: 128, base: 1200, calibration: 64 },
  quick: { width: 32, heads: 4, blocks: 1, context: 16, batch: 4, windows: 16, base: 40, calibration: 64 },
};

/** Matrices that are exchanged: all but the tables of letters and positions. */
const patterns = ['blocks.*.attention.qkv', 'blocks.*.attention.out', 'blocks.*.up', 'blocks.*.down'];

/** @type {ReturnType<typeof loadTexts> | undefined} */
let loaded;

/** The text that the model knows, and the other one. */
export function textsOf() {
  loaded ??= loadTexts();
  const { letters, texts } = loaded;
  const [known, other] = ['prose', 'declarations'].map((name) => texts.find((text) => text.name === name));
  if (!known || !other) throw new Error('texts.mjs: prose and declarations must be there');
  return { letters, known, other };
}

/** Trained models by size and seed, of this process. @type {Map<string, Promise<object>>} */
const trained = new Map();

/** A trained model, on a device of its own that stays open. @param {SizeName} name @param {number} seed */
async function base(name, seed) {
  const size = sizes[name];
  const device = Device.open('cpu', { threads: 1 });
  const { letters, known } = textsOf();
  const model = newModel(device, size, letters, seed);
  await train(model, [known.train], { size, steps: size.base, peak: 4e-3, seed });
  return model;
}

/** A copy of the trained model of a seed. @param {Device} device @param {SizeName} name @param {number} seed @returns {Promise<Gpt>} */
export async function modelOf(device, name, seed) {
  const key = `${name} ${seed}`;
  const made = trained.get(key) ?? base(name, seed);
  trained.set(key, made);
  return /** @type {Promise<Gpt>} */ (movedTo(device, await made));
}

/** @param {Gpt} model @param {(layer: any, path: string) => object} replace */
export function exchange(model, replace) {
  for (const pattern of patterns) nn.replaceLayers(model, pattern, replace);
}

/** The layers of a model whose matrices are exchanged, by path. @param {Gpt} model @returns {Map<string, any>} */
export function layersOf(model) {
  const found = new Map();
  exchange(model, (layer, path) => {
    found.set(path, layer);
    return layer;
  });
  return found;
}

/** @param {Device} device @param {Int32Array} text @param {ArrayLike<number>} starts @param {number} context @returns {[Tensor, Tensor]} */
export function batchOf(device, text, starts, context) {
  const { ids, next } = windows(text, starts, context);
  const shape = [starts.length, context];
  return [Tensor.from(device, ids, shape), Tensor.from(device, next, shape)];
}

/** The inputs of each layer when the model reads a text: rows by path. @param {Gpt} model @param {Int32Array} text @param {SizeName} name */
export async function inputsOf(model, text, name) {
  const { context, calibration } = sizes[name];
  const { device } = /** @type {Tensor} */ (model.tokens.weight);
  const copy = nn.mapTensors(model, (tensor) => tensor);
  /** @type {Map<string, Tensor>} */
  const seen = new Map();
  exchange(copy, (layer, path) => ({
    inner: layer,
    parameters: [],
    byteLength: 0,
    apply(/** @type {nn.Arg} */ x) {
      // Tensors inside a block are kept for who asks for its tensor.
      seen.set(path, /** @type {nn.Value} */ (x).tensor);
      return nn.linear(this.inner, x);
    },
  }));
  const starts = Array.from({ length: calibration }, (_, i) =>
    Math.floor((i * (text.length - context - 1)) / calibration),
  );
  const [ids, next] = batchOf(device, text, starts, context);
  const run = nn.forward((/** @type {Gpt} */ gpt, /** @type {Tensor} */ letters) => {
    gpt.forward(letters);
    return Object.fromEntries(seen);
  });
  const inputs = new Map();
  for (const [path, x] of Object.entries(run(copy, ids))) {
    const width = /** @type {number} */ (x.shape.at(-1));
    inputs.set(path, x.copy().reshape([x.size / width, width]));
  }
  for (const tensor of [run, ids, next]) tensor.dispose();
  return inputs;
}

/** Bytes of all tensors of a model. @param {object} model */
export function bytesOf(model) {
  const all = new Set();
  nn.mapTensors(model, (tensor) => {
    all.add(tensor);
    return tensor;
  });
  return [...all].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

export const lossOf = (/** @type {any} */ gpt, /** @type {Tensor} */ ids, /** @type {Tensor} */ next) =>
  nn.crossEntropy(gpt.forward(ids), next);
