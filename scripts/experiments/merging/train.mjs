// The GPT of the examples: trained on texts, stored as a model folder, and asked for the next letter.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { AdamW, loadTensors, saveTensors, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from '../../../examples/gpt/model.mjs';
import { windows } from '../../../examples/gpt/text.mjs';

/**
 * @typedef {{ width: number, heads: number, blocks: number, context: number, batch: number, windows: number }} Size
 * @typedef {{ loss: number, accuracy: number }} Figures mean cross-entropy, and the share of letters that are foretold
 */

/** @param {import('orthokit').Device} device @param {Size} size @param {number} letters @param {number} seed */
export const newModel = (device, size, letters, seed) => new Gpt(nn.init(device, { seed }), { letters, ...size });

/** @param {import('orthokit').Device} device @param {Int32Array} text @param {ArrayLike<number>} starts @param {number} context */
function batchOf(device, text, starts, context) {
  const { ids, next } = windows(text, starts, context);
  return [ids, next].map((letters) => Tensor.from(device, letters, [starts.length, context]));
}

/**
 * Trains on texts, a batch of each in turn.
 *
 * @param {Gpt} model
 * @param {readonly Int32Array[]} texts
 * @param {{ size: Size, steps: number, peak: number, seed: number }} options
 */
export async function train(model, texts, { size, steps, peak, seed }) {
  const { device } = model.tokens.weight;
  const optimizer = new AdamW(nn.parameters(model), { weightDecay: 0 });
  const rate = nn.cosine({ peak, warmup: Math.ceil(steps / 20), steps, floor: peak / 10 });
  const step = nn.valueAndGrad((/** @type {any} */ gpt, /** @type {Tensor} */ ids, /** @type {Tensor} */ next) =>
    nn.crossEntropy(gpt.forward(ids), next),
  );
  const starts = texts.map((text) =>
    nn.batches({ count: text.length - size.context, size: size.batch, seed })[Symbol.iterator](),
  );
  for (let i = 0; i < steps; i += 1) {
    const at = i % texts.length;
    const { index } = starts[at].next().value;
    const batch = batchOf(device, texts[at], index, size.context);
    for (const group of optimizer.groups) group.lr = rate(i);
    optimizer.step(step(model, .../** @type {[Tensor, Tensor]} */ (batch)).grads);
    for (const tensor of batch) tensor.dispose();
    if (i % 16 === 15) await device.synchronize();
  }
}

/**
 * @param {Gpt} model
 * @param {Int32Array} text
 * @param {Size} size
 * @returns {Promise<Figures>}
 */
export async function examine(model, text, { context, windows: count }) {
  const { device } = model.tokens.weight;
  const starts = Array.from({ length: count }, (_, i) => Math.floor((i * (text.length - context - 1)) / count));
  const [ids, next] = batchOf(device, text, starts, context);
  const logits = nn.forward((/** @type {Gpt} */ gpt, /** @type {Tensor} */ letters) => gpt.forward(letters))(
    model,
    ids,
  );
  const [found, wanted] = [await logits.read(), await next.read()];
  for (const tensor of [ids, next, logits]) tensor.dispose();
  const width = found.length / wanted.length;
  let [loss, right] = [0, 0];
  for (const [i, letter] of wanted.entries()) {
    const row = found.subarray(i * width, (i + 1) * width);
    const largest = Math.max(...row);
    loss += largest - row[letter] + Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0));
    right += row[letter] === largest ? 1 : 0;
  }
  return { loss: loss / wanted.length, accuracy: right / wanted.length };
}

/** OPCM leaves tables alone by their names. */
const tables = /^(tokens|positions)\./;

/** @param {Gpt} model @param {string} folder */
export async function store(model, folder) {
  mkdirSync(folder);
  const tensors = Object.entries(nn.named(model)).map(([name, x]) => [name.replace(tables, 'embed_$1.'), x]);
  await saveTensors(path.join(folder, 'model.safetensors'), Object.fromEntries(tensors));
}

/** @param {Gpt} model @param {string} folder */
export async function load(model, folder) {
  const tensors = await loadTensors(path.join(folder, 'model.safetensors'), model.tokens.weight.device);
  await nn.assign(model, tensors, { map: (name) => name.replace(/^embed_/, '') });
  for (const tensor of Object.values(tensors)) tensor.dispose();
}
