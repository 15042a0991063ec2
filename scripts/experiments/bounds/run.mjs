// One run: bounds of a support vector machine, or ridge parameters of ten classes.
import { digitsOf } from './data.mjs';
import { classes, errorOf, least, momentsOf, ridgesOf, solved } from './ridge.mjs';
import { boundsOf, exactLower, hinge, lowerValue, shareRight, signed } from './svm.mjs';

/** @typedef {{ revision: number, size: 'full' | 'quick', part: 'svm', c: number, seed: number } | { revision: number, size: 'full' | 'quick', part: 'ridge', seed: number }} Settings `c`: of the penalty */

export const sizes = {
  full: { svm: { training: 60, validation: 200, steps: 4000 }, ridge: { training: 100, validation: 400, steps: 6000 } },
  quick: { svm: { training: 20, validation: 60, steps: 60 }, ridge: { training: 60, validation: 80, steps: 60 } },
};
/** Penalties of LV-HBA that are tried: the upper loss counts 1 / (c (k + 1)^0.3). */
export const penalties = [0.5, 5, 20];
/** Bounds that are tried for all weights alike. */
export const shared = Array.from({ length: 25 }, (_, i) => 10 ** (-1.5 + i / 8));

/** @param {'full' | 'quick'} size @param {number} seed @param {number} c */
async function svm(size, seed, c) {
  const { training, validation, steps } = sizes[size].svm;
  const parts = digitsOf({
    seed,
    counts: [training, validation],
    isOf: (label) => label === 4 || label === 9,
    wrong: 5,
  });
  const [train, judge, test] = [parts.train, parts.validation, parts.test].map((part) => signed(part, (label) => label === 4)); // biome-ignore format: one line
  const told = (/** @type {Float64Array} */ y) => ({ train: hinge(train, y), validation: hinge(judge, y), right: shareRight(test, y) }); // biome-ignore format: one line
  const count = train.width - 1;
  const none = told(exactLower(train, Array(count).fill(Infinity)));
  const tried = shared.map((bound) => ({ bound, ...told(exactLower(train, Array(count).fill(bound))) }));
  const one = tried.reduce((best, other) => (other.validation < best.validation ? other : best));
  const { bounds, weights } = await boundsOf(train, judge, { steps, c });
  const exact = exactLower(train, bounds);
  const [value, best] = [lowerValue(train, weights), lowerValue(train, exact)];
  return { none, one, own: { ...told(exact), at: hinge(judge, weights) }, gap: (value - best) / best, active: [...bounds].filter((bound, k) => Math.abs(Math.abs(exact[k]) - bound) < 1e-8).length }; // biome-ignore format: one line
}

/** @param {'full' | 'quick'} size @param {number} seed */
async function ridge(size, seed) {
  const { training, validation, steps } = sizes[size].ridge;
  const parts = digitsOf({ seed, counts: [training, validation], wrong: 3 });
  const [train, judge, test] = [parts.train, parts.validation, parts.test].map(momentsOf);
  const all = Array.from({ length: classes }, (_, c) => c);
  const errors = (/** @type {ArrayLike<number>} */ xi) => [judge, test].map((of) => all.reduce((sum, c) => sum + errorOf(of, c, solved(train, c, xi[c])) / classes, 0)); // biome-ignore format: one line
  const exact = all.map((c) => least((xi) => errorOf(judge, c, solved(train, c, xi))));
  const one = least((xi) => errors(Array(classes).fill(xi))[0]);
  const found = [...(await ridgesOf(train, judge, { steps, seed }))];
  return { exact, found, shared: one, errors: { first: errors(Array(classes).fill(-4)), one: errors(Array(classes).fill(one)), found: errors(found), exact: errors(exact) } }; // biome-ignore format: one line
}

/** @param {Settings} settings @returns {Promise<object>} */
export const run = (own) => (own.part === 'svm' ? svm(own.size, own.seed, own.c) : ridge(own.size, own.seed));
