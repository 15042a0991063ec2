// Labels of digits of which some are wrong, found by BO-REP with and without steps of a given length.
import { Device, ops, Tensor } from 'orthokit';
import { BoRep, checkHypergradient } from 'orthokit/bilevel';
import { fistaStronglyConvex } from 'orthokit/solvers';
import { classes, loadDigits, pixels, shuffledBatches } from '../../../examples/digits/data.mjs';
import { cleaning, lipschitz, penalty } from './problem.mjs';

/** @import { Samples } from './problem.mjs' */
/** @typedef {'normalized' | 'plain'} Way */
/** @typedef {{ revision: number, size: 'full' | 'quick', seed: number, way: Way, rate: number }} Settings */

/** The share of labels that are wrong. */
export const wrong = 0.3;
export const sizes = {
  full: { count: 1000, known: 200, test: 2000, steps: 400, every: 20 },
  quick: { count: 200, known: 100, test: 500, steps: 150, every: 50 },
};
/** Rates that are tried: lengths of a step of all weights' logits, and factors of the hypergradient. */
export const rates = { normalized: [0.3, 1, 3], plain: [300, 3000, 30_000] };

const width = pixels + 1;

/** Digits by their places, with a constant pixel, all scaled alike. @param {{ images: Float32Array, labels: Int32Array }} from @param {ArrayLike<number>} index @returns {Samples} */
function samplesOf(from, index) {
  const images = new Float32Array(index.length * width);
  for (let i = 0; i < index.length; ++i) {
    // The mean square length of digits is about 100.
    for (let p = 0; p < pixels; ++p) images[i * width + p] = from.images[index[i] * pixels + p] / 10;
    images[i * width + pixels] = 0.3;
  }
  return { images, labels: Int32Array.from(index, (at) => from.labels[at]), count: index.length, width };
}

/** The digits of a seed: noisy ones, which of them are wrong, known ones, those for the test. @param {'full' | 'quick'} size @param {number} seed */
export function digitsOf(size, seed) {
  const { count, known, test } = sizes[size];
  const all = loadDigits();
  const [[order]] = shuffledBatches({ count: all.train.labels.length, epochs: 1, batchSize: count + known, seed });
  const noisy = samplesOf(all.train, order.slice(0, count));
  const [[chosen], [shifts]] = [1, 2].map((more) => shuffledBatches({ count, epochs: 1, batchSize: count, seed: 100 * seed + more })[0]); // biome-ignore format: one line
  const isWrong = new Uint8Array(count);
  for (const i of chosen.slice(0, wrong * count)) isWrong[i] = 1;
  const labels = Int32Array.from(noisy.labels, (label, i) => (isWrong[i] ? (label + 1 + (shifts[i] % (classes - 1))) % classes : label)); // biome-ignore format: one line
  const every = Math.floor(all.test.labels.length / test);
  return {
    noisy: { ...noisy, labels },
    right: noisy.labels,
    isWrong,
    known: samplesOf(all.train, order.slice(count)),
    test: samplesOf(
      all.test,
      Int32Array.from({ length: test }, (_, i) => i * every),
    ),
  };
}

/** The share of a test that a trained regression gets right. @param {Device} device @param {Samples} test @param {Tensor} y */
async function shareRight(device, { images, labels, count }, y) {
  const x = Tensor.from(device, images, [count, width]);
  const scores = Tensor.zeros(device, [count, classes]);
  ops.gemm(device, { a: x, b: y, c: scores });
  const found = await scores.read();
  let right = 0;
  for (let i = 0; i < count; ++i) {
    const row = found.subarray(i * classes, (i + 1) * classes);
    right += Number(row.indexOf(Math.max(...row)) === labels[i]);
  }
  return right / count;
}

/** Trains to the end with the weights that there are. @param {Device} device @param {ReturnType<typeof cleaning>} problem @param {Samples} test */
async function trained(device, problem, test) {
  const oracle = {
    params: problem.y,
    gradient: (/** @type {readonly Tensor[]} */ grads) => problem.lowerGradientY(grads),
  };
  await fistaStronglyConvex(oracle, { mu: penalty, lipschitz, accuracy: 1e-2, maxIterations: 2000 });
  return shareRight(device, test, problem.y[0]);
}

/** @param {Settings} settings */
export async function run({ size, seed, way, rate }) {
  const { steps, every } = sizes[size];
  const device = Device.open('cpu', { threads: 1 });
  const { noisy, right, isWrong, known, test } = digitsOf(size, seed);
  const problem = cleaning(device, noisy, known);
  const before = await trained(device, problem, test);
  const clean = await trained(device, cleaning(device, { ...noisy, labels: right }, known), test);
  const few = await trained(device, cleaning(device, known, known), test);
  problem.y[0].write(new Float32Array(width * classes));
  const method = new BoRep(problem, { lr: rate, lowerLr: 1, nu: 1, normalize: way === 'normalized' });
  const count = wrong * noisy.count;
  const share = async () => {
    const logits = await problem.x[0].read();
    const least = [...logits.keys()].sort((i, j) => logits[i] - logits[j]).slice(0, count);
    return least.filter((i) => isWrong[i]).length / count;
  };
  /** Steps, the share that is found then, and what is right by the regression as it is then. @type {[number, number, number][]} */
  const curve = [];
  for (let t = 0; t < steps; ++t) {
    method.lr = rate / (1 + (4 * t) / steps);
    await method.step();
    if ((t + 1) % every === 0) curve.push([t + 1, await share(), await shareRight(device, test, problem.y[0])]);
  }
  const found = await share();
  const after = await trained(device, problem, test);
  await device.close();
  return { found, before, after, clean, few, curve };
}

/** The distance of the oracle's derivatives from its values, on a few digits in f64. */
export async function errorOfOracle() {
  const device = Device.open('cpu', { threads: 1 });
  const { train } = loadDigits();
  const [noisy, known] = [
    [0, 900, 1800, 2700, 3600, 4500],
    [5400, 6300, 7200],
  ].map((index) => samplesOf(train, index));
  const { error } = await checkHypergradient(cleaning(device, noisy, known, 'f64'));
  await device.close();
  return error;
}
