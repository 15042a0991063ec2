// Bounds of a support vector machine by LV-HBA, and one ridge parameter a class by BSVRB.
import { experimentOf } from '../parts.mjs';
import { draw, pageOf, seeds } from './page.mjs';
import { penalties, run } from './run.mjs';

/** @import { Settings } from './run.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 2;
/** @param {'full' | 'quick'} size @returns {Settings[]} */
const settings = (size) => {
  const of = size === 'full' ? seeds : { svm: [1], ridge: [1] };
  const svm = penalties.flatMap((c) => of.svm.map((seed) => ({ revision, size, part: /** @type {const} */ ('svm'), c, seed }))); // biome-ignore format: one line
  return [...svm, ...of.ridge.map((seed) => ({ revision, size, part: /** @type {const} */ ('ridge'), seed }))];
};

export const experiment = experimentOf({
  ...{ name: 'bounds', settings, run, pageOf, draw },
  nameOf: (own) => `${own.part}${own.part === 'svm' ? ` at ${own.c}` : ''}, seed ${own.seed}`,
  figures: ([svm, , , ridge]) => ({
    head: ['', 'validation'],
    rows: [
      ['no bounds', svm.none.validation.toFixed(3)],
      ['49 bounds', svm.own.validation.toFixed(3)],
      ['ridges at first', ridge.errors.first[0].toFixed(3)],
      ['ten ridges', ridge.errors.found[0].toFixed(3)],
    ],
  }),
});
