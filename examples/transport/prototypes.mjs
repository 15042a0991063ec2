// Learns prototypes of handwritten digits without labels, each standing for the same number of digits: the loss of a step is
// the transport cost between digits and prototypes, its gradient moves the prototypes.
// usage: node examples/transport/prototypes.mjs [--steps N] [--images folder]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { AdamW, Device, ops, sinkhorn, Tensor } from 'orthokit';
import { loadDigits, pixels, shuffledBatches } from '../digits/data.mjs';
import { Sheet } from './picture.mjs';

const count = 20;
const batchSize = 400;
const side = 28;
// Small beside the distances, which are around 100: each digit goes to one prototype but where the balance splits it.
const eps = 0.05;

/** f64, whose digits a small eps needs. @param {Float32Array} images @param {ArrayLike<number>} rows */
function gathered(images, rows) {
  const out = new Float64Array(rows.length * pixels);
  for (let k = 0; k < rows.length; k++) out.set(images.subarray(rows[k] * pixels, (rows[k] + 1) * pixels), k * pixels);
  return out;
}

/**
 * @typedef {object} Step
 * @property {number} loss mean squared distance of a digit to its prototype
 * @property {string} status of Newton's method
 * @property {number} error L1 error of its marginals
 * @property {number} sweptError of 1,000 plain sweeps on the same problem
 */

/**
 * @param {Device} device
 * @param {{ images: Float32Array, batches: readonly Int32Array[], onStep?: (step: Step) => void }} options
 */
export async function learnPrototypes(device, { images, batches, onStep }) {
  // Each begins as a digit of the first batch, blurred by the mean of all.
  const first = gathered(images, batches[0].subarray(0, count));
  const prototypes = Tensor.from(device, first, [count, pixels]);
  const optimizer = new AdamW([prototypes], { lr: 0.05, weightDecay: 0 });
  for (const batch of batches) {
    const digits = Tensor.from(device, gathered(images, batch), [batch.length, pixels]);
    const costs = { x: digits, y: prototypes };
    // Loss and gradient: uniform masses on both sides make the classes balanced.
    const assigned = await sinkhorn(costs, { eps, method: 'sns', tol: 1e-6, maxNewton: 1000 });
    const gradient = await assigned.gradient('y');
    if (onStep) {
      const cost = new Tensor(device, [batch.length, count], 'f64');
      ops.pairwiseCosts(device, { ...costs, out: cost });
      const swept = await sinkhorn(cost, { eps, method: 'sinkhorn', tol: 1e-6, maxSweeps: 1000 });
      const { cost: loss, status, marginalError: error } = assigned;
      onStep({ loss, status, error, sweptError: swept.marginalError });
      for (const own of [cost, swept]) own.dispose();
    }
    await optimizer.step([gradient]);
    for (const own of [digits, assigned, gradient]) own.dispose();
  }
  return prototypes;
}

/** The number of digits that have the commonest label of their prototype. @param {ArrayLike<number>} nearest @param {Int32Array} labels */
export function purity(nearest, labels) {
  const counts = Array.from({ length: count }, () => new Int32Array(10));
  for (let k = 0; k < labels.length; k++) counts[nearest[k]][labels[k]]++;
  return counts.reduce((sum, row) => sum + Math.max(...row), 0) / labels.length;
}

if (process.argv[1] === import.meta.filename) {
  const images = path.join(import.meta.dirname, '..', '..', 'docs', 'images');
  const { values } = parseArgs({
    options: { steps: { type: 'string', default: '60' }, images: { type: 'string', default: images } },
  });
  const { train, test } = loadDigits();
  const epochs = Math.ceil((Number(values.steps) * batchSize) / train.labels.length);
  const batches = shuffledBatches({ count: train.labels.length, epochs, batchSize, seed: 1 })
    .flat()
    .slice(0, Number(values.steps));
  const device = Device.open('cpu');
  let step = 0;
  const prototypes = await learnPrototypes(device, {
    images: train.images,
    batches,
    onStep: ({ loss, status, error, sweptError }) => {
      step++;
      if (step === 1 || step % 10 === 0)
        console.log(
          `step ${step}: loss ${loss.toFixed(2)}; Newton ${status}, error ${error.toExponential(0)}; ` +
            `1,000 plain sweeps: error ${sweptError.toExponential(0)}`,
        );
    },
  });
  const numbers = await prototypes.read();
  const tested = Tensor.from(device, Float64Array.from(test.images.subarray(0, 1000 * pixels)), [1000, pixels]);
  const assigned = await sinkhorn({ x: tested, y: prototypes }, { eps, method: 'sns', tol: 1e-6, maxNewton: 1000 });
  const plan = await (await assigned.plan()).read();
  const nearest = Int32Array.from({ length: 1000 }, (_, i) => {
    const row = [...plan.subarray(i * count, (i + 1) * count)];
    return row.indexOf(Math.max(...row));
  });
  await device.close();
  console.log(
    `${(100 * purity(nearest, test.labels.subarray(0, 1000))).toFixed(1)} % of tested digits share their prototype's commonest label`,
  );
  const sheet = new Sheet(10, count / 10, side, 2);
  for (let k = 0; k < count; k++)
    sheet.draw(k % 10, Math.floor(k / 10), numbers.subarray(k * pixels, (k + 1) * pixels));
  console.log(`Prototypes: ${path.relative(process.cwd(), sheet.write(values.images, 'prototypes'))}`);
}
