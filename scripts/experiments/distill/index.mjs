// Ten digits of each class, distilled from a CNN with and without the curriculum.
import { experimentOf } from '../parts.mjs';
import { judge, pageOf } from './page.mjs';
import { drawDigits } from './picture.mjs';
import { run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [1, 2, 3] : [1]).map((seed) => ({ revision, size, seed }));

export const experiment = experimentOf({
  ...{ name: 'distill', settings, run, judge, pageOf, each: 'two minutes' },
  nameOf: ({ seed }) => `a teacher and its students, seed ${seed}`,
  figures: ([{ teacher, found }]) => ({
    head: ['images', 'right'],
    rows: [
      ['the teacher itself', teacher.toFixed(3)],
      ...found.map((/** @type {any} */ { way, students }) => [way, students.map((/** @type {number} */ x) => x.toFixed(3)).join(', ')]), // biome-ignore format: one line
    ],
  }),
  draw: ([{ found }], folder) => drawDigits(found, folder),
});
