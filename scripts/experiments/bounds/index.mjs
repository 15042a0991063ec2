// Bounds of a support vector machine by LV-HBA, and one ridge parameter a class by BSVRB.
import { experimentOf } from '../parts.mjs';
import { draw, pageOf, seeds } from './page.mjs';
import { proximal, run } from './run.mjs';

/** @import { Settings } from './run.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 3;
/** @param {'full' | 'quick'} size @returns {Settings[]} */
const settings = (size) => {
  const of = size === 'full' ? seeds : { svm: [1], ridge: [1] };
  const parts = /** @type {const} */ (['svm', 'ridge']);
  return parts.flatMap((part) => of[part].map((seed) => ({ revision, size, part, seed })));
};

export const experiment = experimentOf({
  ...{ name: 'bounds', settings, run, pageOf, draw },
  nameOf: ({ part, seed }) => `${part}, seed ${seed}`,
  figures: ([svm, ridge]) => ({
    head: ['', 'validation'],
    rows: [
      ['no bounds', svm.none.validation.toFixed(3)],
      ...svm.found.filter(({ gamma1 }) => gamma1 === proximal.own).map(({ c, validation }) => [`bounds at ${c}`, validation.toFixed(3)]), // biome-ignore format: one line
      ['ridges at first', ridge.errors.first[0].toFixed(3)],
      ['ten ridges', ridge.errors.found[0].toFixed(3)],
    ],
  }),
});
