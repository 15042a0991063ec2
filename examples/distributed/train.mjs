// Trains a network for handwritten digits in one process or several, which share every batch and the work of Muon.
// usage: node examples/distributed/train.mjs [--epochs N] [--checkpoint folder]
//   in several processes: npx orthokit run -n 4 examples/distributed/train.mjs
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { AdamW, Device, loadTensors, saveTensors, Tensor } from 'orthokit';
import { connect, DataParallel, ShardedMuon } from 'orthokit/distributed';
import * as nn from 'orthokit/nn';
import { classes, loadDigits, pixels } from '../digits/data.mjs';

/** @import { Examples } from '../digits/data.mjs' */

const { values } = parseArgs({
  options: { epochs: { type: 'string', default: '2' }, checkpoint: { type: 'string' } },
});
const epochs = Number(values.epochs);
if (!(Number.isInteger(epochs) && epochs > 0)) {
  console.error(`train.mjs: --epochs must be a whole number above 0, got ${values.epochs}`);
  process.exit(2);
}

// Who is asked to stop does so at a step that all ranks agree on.
let asked = false;
process.once('SIGTERM', () => {
  asked = true;
});
const group = await connect();
const say = (/** @type {string} */ line) => group.rank === 0 && console.log(line);
const device = Device.open('cpu');
const { train, test } = loadDigits();
const count = train.labels.length;

class Mlp {
  /** @param {nn.Init} make */
  constructor(make) {
    this.hidden = make.linear(pixels, 128);
    this.middle = make.linear(128, 128);
    this.head = make.linear(128, classes);
  }

  /** @param {nn.Arg} x `[n, 784]` @returns {nn.Value} logits `[n, 10]` */
  forward(x) {
    const h = nn.map(nn.linear(this.hidden, x), 'relu');
    return nn.linear(this.head, nn.dropout(nn.map(nn.linear(this.middle, h), 'relu'), { rate: 0.1 }));
  }
}

/** @param {Examples} examples @param {Int32Array} index @returns {[Tensor, Tensor]} images and labels */
function pick({ images, labels }, index) {
  const rows = new Float32Array(index.length * pixels);
  for (const [row, i] of index.entries()) rows.set(images.subarray(i * pixels, (i + 1) * pixels), row * pixels);
  return [
    Tensor.from(device, rows, [index.length, pixels]),
    Tensor.from(
      device,
      Int32Array.from(index, (i) => labels[i]),
      [index.length],
    ),
  ];
}

const model = new Mlp(nn.init(device, { seed: 1 }));
// All ranks take the weights of rank 0, and each has dropout of its own.
const parallel = await DataParallel.start(group, model, { seed: 2 });
const step = nn.valueAndGrad(
  (/** @type {nn.Traced<Mlp>} */ mlp, /** @type {Tensor} */ x, /** @type {Tensor} */ y) =>
    nn.crossEntropy(mlp.forward(x), y),
  { seed: parallel.dropoutSeed },
);
const { hidden, middle, head } = model;
const muon = new ShardedMuon(group, { hidden: hidden.weight, middle: middle.weight }, { lr: 0.02 });
const adam = new AdamW(
  [hidden.bias, middle.bias, head.weight, head.bias].filter((x) => x instanceof Tensor),
  { lr: 2e-3 },
);

const folder = values.checkpoint;
const place = folder && path.join(folder, 'place.json');
/** @type {{ epoch: number, position: number } | undefined} */
let from;
if (folder && place && existsSync(place)) {
  const saved = JSON.parse(await readFile(place, 'utf8'));
  const own = path.join(folder, saved.name);
  await nn.assign(model, await loadTensors(path.join(own, 'model.safetensors'), device));
  await muon.loadShards(path.join(own, 'muon'));
  await adam.load(path.join(own, 'adam.safetensors'));
  // Dropout goes on from the same place, as long as there are as many ranks.
  step.calls = saved.calls;
  from = saved.from;
  say(`resumed in epoch ${saved.from.epoch + 1}, after ${saved.from.position} samples`);
}

/** A checkpoint is a folder; the file that names it is replaced last. */
async function checkpoint() {
  if (!folder || !place || !from) return;
  const name = `${from.epoch}-${from.position}`;
  const own = path.join(folder, name);
  await mkdir(own, { recursive: true });
  await muon.saveShards(path.join(own, 'muon'));
  if (group.rank === 0) {
    const before = existsSync(place) ? JSON.parse(await readFile(place, 'utf8')).name : undefined;
    await saveTensors(path.join(own, 'model.safetensors'), nn.named(model));
    await adam.save(path.join(own, 'adam.safetensors'));
    await writeFile(`${place}.new`, JSON.stringify({ name, from, calls: step.calls }));
    await rename(`${place}.new`, place);
    if (before !== undefined && before !== name) await rm(path.join(folder, before), { recursive: true, force: true });
  }
  await group.barrier({ tag: 'checkpoint' });
}

say(`${group.size} process${group.size === 1 ? '' : 'es'} (${group.engine}), ${count} digits, ${epochs} epochs.`);
let [loss, labelled] = [0, 0];
let stops = false;
const isOver = () => from !== undefined && from.epoch + 1 >= epochs && from.position === count;
const batches = isOver() ? [] : parallel.batches({ count, size: 128, seed: 3, from });
for (const { index, epoch, position } of batches) {
  const { value, grads } = step(model, ...pick(train, index));
  // One all-reduce of gradients a step; the mean is by samples, so that a smaller last batch and unequal parts are right.
  const mean = await parallel.average(grads, index.length);
  await muon.step(mean);
  adam.step(mean);
  loss += (await value.read())[0] * index.length;
  labelled += index.length;
  from = { epoch, position };
  if (position === count) await endEpoch(epoch);
  if (isOver()) break;
  stops = (await group.numbers(asked ? 1 : 0, { tag: 'stop?' })).includes(1);
  if (stops) break;
}

async function endEpoch(/** @type {number} */ epoch) {
  const [losses, counts] = [await group.numbers(loss), await group.numbers(labelled)];
  const total = (/** @type {Float64Array} */ x) => x.reduce((a, b) => a + b, 0);
  say(`epoch ${epoch + 1}: mean loss ${(total(losses) / total(counts)).toFixed(4)}`);
  [loss, labelled] = [0, 0];
  await checkpoint();
}

/** Each digit of the test is looked at by one rank. */
async function report() {
  const own = parallel.slice(Int32Array.from(test.labels, (_, i) => i));
  const evaluate = nn.forward((/** @type {Mlp} */ mlp, /** @type {Tensor} */ x) => mlp.forward(x));
  const logits = await evaluate(model, pick(test, own)[0]).read();
  let right = 0;
  for (const [row, i] of own.entries()) {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    if (scores.indexOf(Math.max(...scores)) === test.labels[i]) right += 1;
  }
  const rights = (await group.numbers(right)).reduce((a, b) => a + b, 0);
  await parallel.verify(model);
  say(
    `${((100 * rights) / test.labels.length).toFixed(1)} % of ${test.labels.length} digits that it has not seen are classified rightly.`,
  );
  say(`moments of Muon on this rank: ${muon.stateBytes} bytes; received from others: ${group.traffic.received} bytes`);
}

if (stops) {
  await checkpoint();
  say(
    `stopped in epoch ${(from?.epoch ?? 0) + 1}, after ${from?.position} samples${folder ? ', which are saved' : ''}`,
  );
} else {
  await report();
}
