// Digits of 7 × 7 pixels, few of them for training, of which some labels may be wrong.
import { loadDigits, shuffledBatches } from '../../../examples/digits/data.mjs';

export const features = 50;

/** @typedef {{ rows: Float64Array[], labels: number[] }} Part */

/** @param {ReturnType<typeof loadDigits>['train']} from @param {readonly number[]} index @returns {Part} */
function part(from, index) {
  const rows = index.map((at) => {
    const row = new Float64Array(features);
    // The mean square length of a digit is near 1.
    for (let p = 0; p < 784; ++p)
      row[7 * Math.floor(p / 112) + Math.floor((p % 28) / 4)] += from.images[784 * at + p] / 16 / 2.2;
    row[features - 1] = 0.5;
    return row;
  });
  return { rows, labels: index.map((at) => from.labels[at]) };
}

/** Digits of some classes: training, validation, test. @param {{ seed: number, counts: readonly [number, number], isOf?: (label: number) => boolean, wrong?: number }} options `wrong`: every so many training labels is another one's */
export function digitsOf({ seed, counts: [training, validation], isOf = () => true, wrong }) {
  const { train, test } = loadDigits();
  const of = (/** @type {typeof train} */ { labels }) => [...labels.keys()].filter((i) => isOf(labels[i]));
  const all = of(train);
  const [[order]] = shuffledBatches({ count: all.length, epochs: 1, batchSize: training + validation, seed });
  const chosen = Array.from(order, (i) => all[i]);
  const first = part(train, chosen.slice(0, training));
  if (wrong)
    first.labels = first.labels.map((label, i) => (i % wrong === 0 ? first.labels[(i + 1) % training] : label));
  return { train: first, validation: part(train, chosen.slice(training)), test: part(test, of(test)) };
}
