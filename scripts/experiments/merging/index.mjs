// Four specialists of one GPT, merged by every method: whether OPCM's claim is seen.
import { experimentOf } from '../parts.mjs';
import { drawWays } from './chart.mjs';
import { judge, pageOf } from './page.mjs';
import { run, sizes } from './run.mjs';
import { names } from './texts.mjs';

/** @import { Figures } from './train.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 2;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [1, 2, 3] : [1]).map((seed) => ({ revision, size, seed }));
/** @param {string} name @param {readonly Figures[]} figures */
const row = (name, figures) => [name, ...figures.map(({ loss }) => loss.toFixed(3))];

export const experiment = experimentOf({
  ...{ name: 'merging', settings, run, pageOf, each: 'a few minutes' },
  nameOf: ({ seed }) => `specialists and merges, seed ${seed}`,
  figures: ([{ base, trained }]) => ({
    head: ['model', ...names],
    rows: [
      row('base', base),
      ...trained.flatMap((/** @type {import('./run.mjs').Trained} */ { steps, specialists, merged }) => [
        ...specialists.map((own, i) => row(`specialist of ${names[i]}, ${steps} steps`, own)),
        ...merged.map(({ way, order, figures }) => row(`${way}, order ${order.join('')}`, figures)),
      ]),
    ],
  }),
  judge: (runs) =>
    Object.fromEntries(
      sizes[/** @type {'full' | 'quick'} */ (runs[0].size)].special.map((steps) => [
        `OPCM's claim after ${steps} steps`,
        judge(runs, steps).verdict,
      ]),
    ),
  draw: drawWays,
});
