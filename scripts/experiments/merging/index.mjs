// Four specialists of one GPT, merged by every method: whether OPCM's claim is seen.
import { experimentOf } from '../parts.mjs';
import { judge, pageOf } from './page.mjs';
import { run } from './run.mjs';
import { names } from './texts.mjs';

/** @import { Figures } from './train.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [1, 2, 3] : [1]).map((seed) => ({ revision, size, seed }));
/** @param {string} name @param {readonly Figures[]} figures */
const row = (name, figures) => [name, ...figures.map(({ loss }) => loss.toFixed(3))];

export const experiment = experimentOf({
  ...{ name: 'merging', settings, run, pageOf, each: 'a few minutes' },
  nameOf: ({ seed }) => `specialists and merges, seed ${seed}`,
  figures: ([{ base, specialists, merged }]) => ({
    head: ['model', ...names],
    rows: [
      row('base', base),
      ...specialists.map((/** @type {Figures[]} */ own, /** @type {number} */ i) =>
        row(`specialist of ${names[i]}`, own),
      ),
      ...merged.map((/** @type {any} */ { way, order, figures: own }) => row(`${way}, order ${order.join('')}`, own)),
    ],
  }),
  judge: (runs) => ({ "OPCM's claim": judge(runs).verdict }),
});
