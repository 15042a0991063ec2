// Digits whose classes are told apart with the same expected error, as a constraint.
import { experimentOf } from '../parts.mjs';
import { draw, figures, judge, pageOf } from './page.mjs';
import { run, seeds } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? seeds : [1]).map((seed) => ({ revision, size, seed }));

export const experiment = experimentOf({
  ...{ name: 'fairness', settings, run, figures, judge, pageOf, draw },
  nameOf: ({ seed }) => `seed ${seed}`,
});
