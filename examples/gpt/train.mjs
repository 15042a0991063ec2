// Trains a GPT on the letters of Moby-Dick, saves it on the way, goes on where it was if it is killed, and writes.
// usage: node examples/gpt/train.mjs [--steps N] [--folder folder] [--width N] [--blocks N] [--context N] [--batch N] [--every N]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { AdamW, Device, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { progressTo } from '../digits/progress.mjs';
import { resume, save } from './checkpoint.mjs';
import { drawLoss } from './figure.mjs';
import { Gpt } from './model.mjs';
import { loadText, windows } from './text.mjs';
import { writer } from './write.mjs';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: path.join(import.meta.dirname, '..', '..', 'build', 'gpt') },
    steps: { type: 'string', default: '1000' },
    width: { type: 'string', default: '128' },
    blocks: { type: 'string', default: '4' },
    context: { type: 'string', default: '64' },
    batch: { type: 'string', default: '12' },
    every: { type: 'string', default: '100' },
  },
});
const { folder, ...given } = values;
for (const [name, value] of Object.entries(given))
  if (!(Number.isInteger(Number(value)) && Number(value) > 0)) {
    console.error(`train.mjs: --${name} must be a whole number above 0, got ${value}`);
    process.exit(2);
  }
const [steps, width, blocks] = [Number(given.steps), Number(given.width), Number(given.blocks)];
const [context, batch, every] = [Number(given.context), Number(given.batch), Number(given.every)];

const { letters, train, test } = loadText();
const device = Device.open('cpu');
const model = new Gpt(nn.init(device, { seed: 1 }), { letters: letters.length, width, heads: 4, blocks, context });
// Weight decay is for matrices: norms and biases stay as they are.
const isMatrix = (/** @type {string} */ _, /** @type {Tensor} */ tensor) => tensor.shape.length > 1;
const optimizer = new AdamW([
  { params: nn.select(model, isMatrix), weightDecay: 0.1 },
  { params: nn.select(model, (name, tensor) => !isMatrix(name, tensor)), weightDecay: 0 },
]);
const rate = nn.cosine({ peak: 3e-3, warmup: Math.ceil(steps / 20), steps, floor: 3e-4 });
const lossOf = (/** @type {nn.Traced<Gpt>} */ gpt, /** @type {Tensor} */ ids, /** @type {Tensor} */ next) =>
  nn.crossEntropy(/** @type {Gpt} */ (gpt).forward(ids), next);
const step = nn.valueAndGrad(lossOf);
const evaluate = nn.forward((/** @type {Gpt} */ gpt, /** @type {Tensor} */ ids, /** @type {Tensor} */ next) =>
  nn.crossEntropy(gpt.forward(ids), next),
);

/** @param {Int32Array} text @param {ArrayLike<number>} starts @returns {[Tensor, Tensor]} */
const tensors = (text, starts) => {
  const { ids, next } = windows(text, starts, context);
  const shape = [starts.length, context];
  return [Tensor.from(device, ids, shape), Tensor.from(device, next, shape)];
};
const testLoss = async () => {
  const starts = Array.from({ length: 32 }, (_, i) => Math.floor((i * (test.length - context - 1)) / 32));
  return (await evaluate(model, ...tensors(test, starts)).read())[0];
};

console.log(nn.describe(model).split('\n').slice(-1)[0].replaceAll(/ +/g, ' '));
const before = await resume(folder, model, optimizer);
const state = before ?? { step: 0, calls: 0, epoch: 0, position: 0, losses: [] };
if (before) console.log(`Goes on after step ${state.step}.`);
step.calls = state.calls;
const progress = progressTo(process.stdout);
const { epoch, position } = state;
/** @type {ReturnType<Tensor['read']>[]} */
let pending = [];
let loss = state.losses.at(-1) ?? Number.NaN;
const keep = async () => {
  state.losses.push(...(await Promise.all(pending)).map((numbers) => numbers[0]));
  loss = state.losses.at(-1) ?? loss;
  pending = [];
};
const options = { count: train.length - context, size: batch, seed: 1, from: { epoch, position } };
for (const { index, ...place } of nn.batches(options)) {
  if (state.step >= steps) break;
  for (const group of optimizer.groups) group.lr = rate(state.step);
  const { value, grads } = step(model, ...tensors(train, index));
  pending.push(value.read());
  optimizer.step(grads);
  Object.assign(state, place, { step: state.step + 1, calls: step.calls });
  if (state.step % 10 === 0 || state.step === steps) {
    await keep();
    progress.show(`step ${state.step} of ${steps}, loss ${loss.toFixed(4)}`);
  }
  if (state.step % every === 0 || state.step === steps) await save(folder, model, optimizer, state);
}
progress.end();
console.log(`loss ${loss.toFixed(4)}, of text that it has not seen ${(await testLoss()).toFixed(4)}`);
console.log(`${(await drawLoss(state.losses, folder)).join(', ')}\n`);
const [text] = await writer(model, letters)({ start: 'The whale ', length: 300 });
console.log(text);
await device.close();
