// Trains one network for handwritten digits with several optimizers, and compares them in a table and a picture.
// usage: node examples/digits/train.mjs [--epochs N] [--images folder]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device } from 'orthokit';
import { classes, loadDigits, pixels, shuffledBatches } from './data.mjs';
import { drawCurves } from './figure.mjs';
import { optimizers } from './optimizers.mjs';
import { progressTo } from './progress.mjs';
import { table } from './table.mjs';
import { method } from './timing.mjs';
import { mean, trainNetwork } from './training.mjs';

const { values } = parseArgs({
  options: {
    epochs: { type: 'string', default: '10' },
    images: { type: 'string', default: path.join(import.meta.dirname, '..', '..', 'docs', 'images') },
  },
});
const epochs = Number(values.epochs);
if (!(Number.isInteger(epochs) && epochs > 0)) {
  console.error(`train.mjs: --epochs must be a whole number above 0, got ${values.epochs}`);
  process.exit(2);
}
const seed = 1;
const batchSize = 128;
const sizes = [pixels, 256, 256, classes];

const { train, test } = loadDigits();
const batches = shuffledBatches({ count: train.labels.length, epochs, batchSize, seed });
const progress = progressTo(process.stdout);
const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)} %`;
console.log(
  `Network ${sizes.join('-')}, ${train.labels.length} digits to train, ${test.labels.length} to test, ` +
    `${epochs} epochs of ${batches[0].length} steps, batches of ${batchSize}.`,
);

const runs = [];
for (const { name, setting, make } of optimizers) {
  const device = Device.open('cpu');
  const result = await trainNetwork(device, {
    train,
    test,
    batches,
    sizes,
    seed,
    makeOptimizer: make,
    onEpoch: (epoch, loss, accuracy) =>
      progress.show(
        `${name}: epoch ${epoch} of ${epochs}, loss ${loss.toFixed(4)}, test accuracy ${percent(accuracy)}`,
      ),
  });
  await device.close();
  runs.push({ name, setting, ...result });
}
progress.end();

const columns = ['optimizer', 'settings', 'test accuracy', 'train loss', 'ms per step', 'in optimizer ¹', 'seconds ²'];
const rows = runs.map(({ name, setting, losses, accuracies, seconds, optimizerShare }) => [
  name,
  setting,
  percent(accuracies[epochs - 1]),
  mean(losses.slice(-batches[0].length)).toExponential(1),
  ((1000 * seconds) / losses.length).toFixed(2),
  percent(optimizerShare),
  seconds.toFixed(1),
]);
console.log(`\n${table(columns, rows)}\n`);
console.log('Train loss: the mean over the last epoch. Muon, AuON and HybridAuON have the weights, AdamW the biases.');
console.log(`¹ share of the time of a step. After training: ${method}.`);
console.log('² of training, without the tests between epochs.');

const files = await drawCurves(runs, { folder: values.images, name: 'digits' });
console.log(`Loss curves: ${files.map((file) => path.relative(process.cwd(), file)).join(', ')}`);
