// Trains a convolutional network for handwritten digits.
// usage: node examples/digits/train-cnn.mjs [--epochs N] [--channels N,N,N]
import { parseArgs } from 'node:util';
import { AdamW, Device, ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Cnn } from './cnn.mjs';
import { classes, loadDigits, pixels, shuffledBatches } from './data.mjs';
import { progressTo } from './progress.mjs';
import { mean } from './training.mjs';

/** @import { Examples } from './data.mjs' */

const { values } = parseArgs({
  options: { epochs: { type: 'string', default: '5' }, channels: { type: 'string', default: '32,64,128' } },
});
const epochs = Number(values.epochs);
const channels = values.channels.split(',').map(Number);
const isCount = (/** @type {number} */ number) => Number.isInteger(number) && number > 0;
if (!(isCount(epochs) && channels.length === 3 && channels.every(isCount))) {
  const got = `${values.epochs} and ${values.channels}`;
  console.error(`train-cnn.mjs: --epochs must be a whole number above 0, and --channels three of them, got ${got}`);
  process.exit(2);
}

const batchSize = 128;
const device = Device.open('cpu');
const { train, test } = loadDigits();
const batches = shuffledBatches({ count: train.labels.length, epochs, batchSize, seed: 1 });
const total = epochs * batches[0].length;
const model = new Cnn(nn.init(device, { seed: 1 }), { channels, classes });
const optimizer = new AdamW(nn.parameters(model), { lr: 3e-3 });
const rate = nn.cosine({ peak: 3e-3, warmup: Math.ceil(total / 20), steps: total, floor: 1e-4 });
const ink = Tensor.from(device, train.images, [train.labels.length, pixels]);
const testInk = Tensor.from(device, test.images, [test.labels.length, pixels]);

/** The images of some rows. @param {Tensor} from @param {Tensor} rows i32 */
const imagesOf = (from, rows) => nn.reshape(nn.embedding({ weight: from }, rows), [rows.size, 28, 28, 1]);
const step = nn.valueAndGrad(
  (/** @type {nn.Traced<Cnn>} */ cnn, /** @type {Tensor} */ rows, /** @type {Tensor} */ labels) =>
    nn.crossEntropy(/** @type {Cnn} */ (cnn).forward(imagesOf(ink, rows)), labels),
);
const classify = nn.forward((/** @type {Cnn} */ cnn, /** @type {Tensor} */ rows) =>
  cnn.forward(imagesOf(testInk, rows)),
);
/** @param {Examples} examples @param {Int32Array} rows @returns {[Tensor, Tensor]} rows and their labels */
const batchOf = ({ labels }, rows) => {
  const own = rows.map((row) => labels[row]);
  return [Tensor.from(device, rows, [rows.length]), Tensor.from(device, own, [rows.length])];
};

/** The share of the test digits that is classified rightly: by the running moments of the normalizations. */
async function accuracy() {
  const [loss, correct] = [Tensor.zeros(device, [1], { dtype: 'f64' }), Tensor.zeros(device, [1], { dtype: 'i32' })];
  let sum = 0;
  for (let first = 0; first < test.labels.length; first += batchSize) {
    const count = Math.min(batchSize, test.labels.length - first);
    const [rows, labels] = batchOf(
      test,
      Int32Array.from({ length: count }, (_, i) => first + i),
    );
    ops.softmaxCrossEntropy(device, { logits: classify(model, rows), labels, loss, correct });
    sum += (await correct.read())[0];
  }
  return sum / test.labels.length;
}

console.log(nn.describe(model).split('\n').slice(-1)[0].replaceAll(/ +/g, ' '));
const progress = progressTo(process.stdout);
let [share, taken] = [0, 0];
for (const [epoch, steps] of batches.entries()) {
  const losses = [];
  for (const rows of steps) {
    for (const group of optimizer.groups) group.lr = rate(taken);
    const { value, grads } = step(model, ...batchOf(train, rows));
    losses.push(value.read());
    optimizer.step(grads);
    taken += 1;
  }
  const loss = mean((await Promise.all(losses)).map(([number]) => number));
  share = await accuracy();
  progress.show(
    `epoch ${epoch + 1} of ${epochs}, loss ${loss.toFixed(4)}, test accuracy ${(100 * share).toFixed(2)} %`,
  );
}
progress.end();
console.log(`${(100 * share).toFixed(2)} % of digits that it has not seen are classified rightly.`);
await device.close();
