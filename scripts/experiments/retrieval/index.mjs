// Signs of one font found among those of another.
import { experimentOf } from '../parts.mjs';
import { drawFound, judge, pageOf } from './page.mjs';
import { run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
const pairs = /** @type {const} */ ([
  ['sans', 'serif'],
  ['serif', 'mono'],
  ['sans', 'bold'],
]);
/** @param {'full' | 'quick'} size */
const settings = (size) =>
  pairs.slice(0, size === 'full' ? pairs.length : 1).map(([from, to]) => ({ revision, size, from, to }));

export const experiment = experimentOf({
  ...{ name: 'retrieval', settings, run, judge, pageOf, each: 'a few seconds' },
  nameOf: ({ from, to }) => `${from} in ${to}`,
  groupOf: () => 'pairs of fonts',
  figures: (runs) => ({
    head: ['signs', 'first', 'among five', 'f16', 'i8'],
    rows: runs.map(({ signs, first, five, same }) => [
      `${signs.length}`,
      ...[first, five, ...same].map((x) => x.toFixed(3)),
    ]),
  }),
  draw: ([first], folder) => drawFound(first, folder),
});
