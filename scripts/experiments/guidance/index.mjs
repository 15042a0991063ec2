// Digits of a small diffusion model at high scales of guidance, plain and projected.
import { experimentOf } from '../parts.mjs';
import { judge, pageOf } from './page.mjs';
import { drawGrid } from './picture.mjs';
import { run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [1, 2, 3] : [1]).map((seed) => ({ revision, size, seed }));

export const experiment = experimentOf({
  ...{ name: 'guidance', settings, run, judge, pageOf, each: 'a minute' },
  nameOf: ({ seed }) => `a model and its digits, seed ${seed}`,
  figures: ([{ rows }]) => ({
    head: ['way', 'scale', 'length', 'saturated', 'right'],
    rows: rows.map((/** @type {import('./run.mjs').Row} */ { way, scale, length, outside, right }) => [way, `${scale}`, length.toFixed(2), outside.toFixed(3), right.toFixed(2)]), // biome-ignore format: one line
  }),
  draw: ([{ shown }], folder) => drawGrid(shown, folder),
});
