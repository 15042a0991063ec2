// Trains a network for handwritten digits with batches that grow, and with batches of one size on as many digits.
// usage: node examples/digits/train-adaptive.mjs [--epochs N] [--eta X]
import { parseArgs } from 'node:util';
import { AdaGrad, AdaptiveBatch, Device, ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { classes, loadDigits, pixels } from './data.mjs';
import { progressTo } from './progress.mjs';
import { table } from './table.mjs';

/** @import { Examples } from './data.mjs' */

const { values } = parseArgs({
  options: { epochs: { type: 'string', default: '4' }, eta: { type: 'string', default: '1' } },
});
const [epochs, eta] = [Number(values.epochs), Number(values.eta)];
if (!(Number.isInteger(epochs) && epochs > 0 && eta > 0)) {
  const got = `${values.epochs} and ${values.eta}`;
  console.error(`train-adaptive.mjs: --epochs must be a whole number and --eta a number above 0, got ${got}`);
  process.exit(2);
}

const [firstSize, largestSize] = [16, 1024];
const device = Device.open('cpu');
const { train, test } = loadDigits();
const count = train.labels.length;
const progress = progressTo(process.stdout);

/** @param {Examples} examples @returns {[images: Tensor, labels: Tensor]} */
const upload = ({ images, labels }) => [
  Tensor.from(device, images, [labels.length, pixels]),
  Tensor.from(device, labels, [labels.length]),
];
const [images, labels] = upload(train);
const [testImages, testLabels] = upload(test);

/** @typedef {{ hidden: { weight: nn.Arg, bias: nn.Arg }, out: { weight: nn.Arg, bias: nn.Arg } }} Net */
/** @param {Net} net @param {nn.Arg} x */
const logits = (net, x) => nn.linear(net.out, nn.relu(nn.linear(net.hidden, x)));
const classify = nn.forward(logits);

/** @param {Net} net the share of the test digits that is classified rightly */
async function accuracy(net) {
  const [loss, correct] = [Tensor.zeros(device, [1], { dtype: 'f64' }), Tensor.zeros(device, [1], { dtype: 'i32' })];
  ops.softmaxCrossEntropy(device, { logits: classify(net, testImages), labels: testLabels, loss, correct });
  return (await correct.read())[0] / testLabels.size;
}

/**
 * Trains on so many epochs of digits. Each batch has the size that the batches before it have asked for.
 *
 * @param {string} name
 * @param {AdaptiveBatch} batch
 */
async function trainWith(name, batch) {
  const make = nn.init(device, { seed: 1 });
  const net = { hidden: make.linear(pixels, 64), out: make.linear(64, classes) };
  const optimizer = new AdaGrad(nn.parameters(net), { lr: 0.02 });
  const step = nn.valueAndGrad(
    (/** @type {Net} */ model, /** @type {Tensor} */ x, /** @type {Tensor} */ y) =>
      nn.crossEntropy(logits(model, x), y),
    { perSample: 'products' },
  );
  let place = { epoch: 0, position: 0 };
  let steps = 0;
  while (place.epoch < epochs) {
    const [next] = take(nn.batches({ count, size: batch.batchSize, seed: 1, from: place }));
    const { index, epoch, position } = next;
    place = position === count ? { epoch: epoch + 1, position: 0 } : { epoch, position };
    const rows = Tensor.from(device, index, [index.length]);
    const x = new Tensor(device, [index.length, pixels]);
    const y = new Tensor(device, [index.length], 'i32');
    ops.gatherRows(device, { x: images, index: rows, out: x });
    ops.gatherRows(device, { x: labels, index: rows, out: y });
    const { grads, products } = step(net, x, y);
    optimizer.step(grads);
    for (const tensor of [rows, x, y]) tensor.dispose();
    steps += 1;
    // The rest of an epoch may be a single digit, which has no variance.
    if (batch.due && index.length > 1) await batch.observe(products ?? null);
    if (position === count)
      progress.show(`${name}: epoch ${epoch + 1} of ${epochs}, step ${steps}, batches of ${batch.batchSize}`);
  }
  step.dispose();
  return [name, String(steps), String(batch.batchSize), `${(100 * (await accuracy(net))).toFixed(1)} %`];
}

/** @template T @param {Iterable<T>} from @returns {[T]} the first one */
function take(from) {
  for (const first of from) return [first];
  throw new Error('nothing to take');
}

const options = { test: /** @type {const} */ ('norm'), eta, batchSize: firstSize, maxBatchSize: largestSize };
const rows = [
  await trainWith('growing', new AdaptiveBatch(options)),
  await trainWith('small', new AdaptiveBatch({ batchSize: firstSize, maxBatchSize: firstSize })),
  await trainWith('large', new AdaptiveBatch({ batchSize: largestSize, maxBatchSize: largestSize })),
];
progress.end();
console.log(`${count} digits to train, ${epochs} epochs each.\n`);
console.log(table(['batches', 'steps', 'size at the end', 'test accuracy'], rows));
await device.close();
