// Softmax regression by regularized Newton steps, L-BFGS, and SciPy's trust regions.
import { experimentOf } from '../parts.mjs';
import { draw, figures, judge, pageOf } from './page.mjs';
import { data, penalties, run, seeds } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) =>
  data.flatMap((name) =>
    penalties.flatMap((l2) =>
      (size === 'full' ? seeds : [1]).map((seed) => ({ revision, size, data: name, l2, seed })),
    ),
  );

export const experiment = experimentOf({
  ...{ name: 'softmax', settings, run, figures, judge, pageOf, draw },
  nameOf: ({ data: name, l2, seed }) => `${name}, penalty ${l2}, seed ${seed}`,
});
