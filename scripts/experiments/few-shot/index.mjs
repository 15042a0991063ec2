// Letters of fonts that a network has never seen, of one example each: prototypes, LaplacianShot, K-means; and digits in
// clusters without a label.
import { experimentOf } from '../parts.mjs';
import { judge, pageOf } from './page.mjs';
import { drawTasks } from './picture.mjs';
import { run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 2;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [1, 2, 3] : [1]).map((seed) => ({ revision, size, seed }));

export const experiment = experimentOf({
  ...{ name: 'few-shot', settings, run, judge, pageOf, each: 'a minute' },
  nameOf: ({ seed }) => `a network and its tasks, seed ${seed}`,
  figures: ([{ found, digits }]) => ({
    head: ['way', 'λ', 'right'],
    rows: [
      ...found.map((/** @type {any} */ { way, lambda, right }) => [way, `${lambda}`, right.toFixed(3)]),
      ...digits.map((/** @type {any} */ { way, right }) => [`digits: ${way}`, '', right.toFixed(3)]),
    ],
  }),
  draw: ([first], folder) => drawTasks(first, folder),
});
