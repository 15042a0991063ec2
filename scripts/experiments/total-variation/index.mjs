// Weights of total variation for a picture, by MAID and with accuracies that stay.
import { experimentOf } from '../parts.mjs';
import { all, draw, pageOf, seeds } from './page.mjs';
import { run } from './run.mjs';

/** @import { Settings } from './run.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
const settings = (/** @type {Settings['size']} */ size) =>
  all.flatMap((one) => (size === 'full' ? seeds : [1]).map((seed) => ({ revision, size, ...one, seed })));

export const experiment = experimentOf({
  ...{ name: 'total-variation', settings, run, pageOf, draw },
  nameOf: ({ way, eps, seed }) => `${way} from ${eps}, seed ${seed}`,
  figures: (runs) => ({
    head: ['way', 'accuracy', 'value', 'end'],
    rows: runs.map(({ way, eps, value, status }) => [way, `${eps}`, value.toFixed(3), status]),
  }),
});
