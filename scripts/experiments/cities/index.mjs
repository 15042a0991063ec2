// A map of cities from some of their distances, of which some are wrong.
import { experimentOf } from '../parts.mjs';
import { drawMaps, judge, pageOf } from './page.mjs';
import { run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [1, 2, 3] : [1]).map((seed) => ({ revision, size, seed }));
/** @param {string} name @param {import('./run.mjs').Found} found */
const row = (name, { median, worst }) => [name, ...[median, worst].map((x) => x.toPrecision(3))];

export const experiment = experimentOf({
  ...{ name: 'cities', settings, run, judge, pageOf, each: 'a minute' },
  nameOf: ({ seed }) => `maps, seed ${seed}`,
  figures: ([{ right, robust, squares }]) => ({
    head: ['map', 'median km', 'worst'],
    rows: [row('completion', right), row('sub-gradients', robust), row('least squares', squares)],
  }),
  draw: ([first], folder) => drawMaps(first, folder),
});
