// Trains a network for handwritten digits without and with L_orth of its convolutions, and compares what noise on the test
// digits costs and between what bounds the singular values lie.
// usage: node examples/orthogonal-convolutions/train.mjs [--epochs N] [--seeds N] [--digits N]
import { parseArgs } from 'node:util';
import { Device } from 'orthokit';
import { classes, loadDigits, pixels } from '../digits/data.mjs';
import { progressTo } from '../digits/progress.mjs';
import { table } from '../digits/table.mjs';
import { accuracy, Digits, extremes, trained } from './network.mjs';

const { values } = parseArgs({
  options: {
    epochs: { type: 'string', default: '8' },
    seeds: { type: 'string', default: '3' },
    digits: { type: 'string', default: '8000' },
  },
});
for (const [name, value] of Object.entries(values))
  if (!(Number.isInteger(Number(value)) && Number(value) > 0)) {
    console.error(`train.mjs: --${name} must be a whole number above 0, got ${value}`);
    process.exit(2);
  }
const [epochs, seeds, count] = [Number(values.epochs), Number(values.seeds), Number(values.digits)];
const weights = [0, 0.001, 0.01, 0.1];
const deviations = [0, 0.2, 0.4, 0.6];

const { train, test } = loadDigits();
const device = Device.open('cpu');
// The digits lie in order: those that are taken are spread over all of them.
const chosen = Array.from({ length: Math.min(count, train.labels.length) }, (_, i) =>
  Math.floor((i * train.labels.length) / Math.min(count, train.labels.length)),
);
const digits = new Digits(device, {
  images: Float32Array.from(chosen.flatMap((i) => [...train.images.subarray(i * pixels, (i + 1) * pixels)])),
  labels: Int32Array.from(chosen, (i) => train.labels[i]),
});
const tested = new Digits(device, test);
const progress = progressTo(process.stdout);
console.log(
  `${digits.count} digits to train, ${tested.count} to test, ${epochs} epochs, ${seeds} seeds; convolutions 1 → 8 → 16 → 32, ` +
    '3 × 3, stride 2.',
);

const rows = [];
for (const weight of weights) {
  /** @type {number[][]} By seed and noise. */
  const accuracies = [];
  /** @type {number[][][]} By seed and convolution, the least and the most. */
  const bounds = [];
  for (let seed = 1; seed <= seeds; ++seed) {
    const model = await trained(device, { train: digits, classes, weight, epochs, seed });
    const own = [];
    for (const deviation of deviations) own.push(await accuracy(model, tested, deviation, 1));
    accuracies.push(own);
    bounds.push(await extremes(model));
    progress.show(`weight ${weight}, seed ${seed}: test accuracy ${(100 * own[0]).toFixed(1)} %`);
  }
  const shares = deviations.map((_, i) => {
    const all = accuracies.map((own) => 100 * own[i]);
    const mean = all.reduce((sum, x) => sum + x, 0) / seeds;
    return `${mean.toFixed(1)} (${Math.min(...all).toFixed(1)}–${Math.max(...all).toFixed(1)})`;
  });
  const spans = bounds[0].map((_, layer) => {
    const least = Math.min(...bounds.map((own) => own[layer][0]));
    const most = Math.max(...bounds.map((own) => own[layer][1]));
    return `${least.toFixed(2)}–${most.toFixed(2)}`;
  });
  rows.push([`${weight}`, ...shares, ...spans]);
}
progress.end();
await device.close();

const noise = deviations.map((deviation) => (deviation === 0 ? 'no noise, %' : `noise ${deviation}, %`));
console.log(table(['weight', ...noise, 'σ of conv 1', 'σ of conv 2', 'σ of conv 3'], rows));
console.log(`Mean, least and most of ${seeds} seeds; σ between the least and the most of all seeds.`);
