// A CNN of digits pruned by M-FAC, by size and at random.
import { experimentOf } from '../parts.mjs';
import { draw, figures, judge, pageOf } from './page.mjs';
import { run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [1, 2, 3, 4] : [1]).map((seed) => ({ revision, size, seed }));

export const experiment = experimentOf({
  ...{ name: 'pruning', settings, run, figures, judge, pageOf, draw },
  nameOf: ({ seed }) => `seed ${seed}`,
});
