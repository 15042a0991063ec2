// One run: bounds of a support vector machine, or ridge parameters of ten classes.
import { digitsOf } from './data.mjs';
import { mailsOf } from './mails.mjs';
import { classes, errorOf, least, momentsOf, ridgesOf, solved } from './ridge.mjs';
import { boundsOf, exactLower, hinge, lowerValue, shareRight, signed } from './svm.mjs';

/** @import { Signed } from './svm.mjs' */
/** @typedef {{ revision: number, size: 'full' | 'quick', part: 'svm' | 'ridge', seed: number }} Settings */

export const sizes = {
  full: { svm: { training: 100, validation: 400, test: 2000, steps: 4000 }, ridge: { training: 100, validation: 400, steps: 6000 } }, // biome-ignore format: one line
  quick: { svm: { training: 20, validation: 60, test: 60, steps: 60 }, ridge: { training: 60, validation: 80, steps: 60 } }, // biome-ignore format: one line
};
/** Every so many training labels is wrong. */
const wrong = 5;
/** Penalties of LV-HBA that are tried. */
export const penalties = [0.1, 0.2, 0.5, 1, 2, 5];
/** γ₁ of LV-HBA: that which is used, and the class's default beside it. */
export const proximal = { own: 100, usual: 1 };
/** Bounds that are tried for all weights alike. */
export const shared = Array.from({ length: 17 }, (_, i) => 10 ** (-1.5 + i / 8));

/** Spam against ham; tiny ones are of the digits that are here. @param {'full' | 'quick'} size @param {number} seed @returns {Signed[]} */
function partsOf(size, seed) {
  const { training, validation, test } = sizes[size].svm;
  const isMail = size === 'full';
  const parts = isMail
    ? mailsOf({ seed, counts: [training, validation, test] })
    : digitsOf({ seed, counts: [training, validation], isOf: (label) => label === 4 || label === 9 });
  const isFirst = (/** @type {number} */ label) => label === (isMail ? 1 : 4);
  const turned = (/** @type {ArrayLike<number>} */ row, /** @type {number} */ i) => (i % wrong === 0 ? Array.from(row, (x) => -x) : row); // biome-ignore format: one line
  const [train, judge, judged] = [parts.train, parts.validation, parts.test].map((part) => signed(part, isFirst));
  return [{ ...train, rows: train.rows.map(turned) }, judge, judged];
}

/** @param {'full' | 'quick'} size @param {number} seed */
async function svm(size, seed) {
  const [train, judge, test] = partsOf(size, seed);
  const { steps } = sizes[size].svm;
  const told = (/** @type {Float64Array} */ y) => ({ train: hinge(train, y), validation: hinge(judge, y), right: shareRight(test, y) }); // biome-ignore format: one line
  const alike = (/** @type {number} */ bound) => told(exactLower(train, Array(train.width - 1).fill(bound)));
  const one = shared.map(alike).reduce((best, other) => (other.validation < best.validation ? other : best));
  const found = [];
  for (const gamma1 of Object.values(proximal))
    for (const c of penalties) {
      const { bounds, weights } = await boundsOf(train, judge, { steps, c, gamma1 });
      const exact = exactLower(train, bounds);
      const [value, best] = [lowerValue(train, weights), lowerValue(train, exact)];
      const active = bounds.filter((bound, k) => Math.abs(Math.abs(exact[k]) - bound) < 1e-8).length;
      found.push({ gamma1, c, ...told(exact), gap: (value - best) / best, active });
    }
  return { none: alike(Infinity), one, found };
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
export const run = ({ part, size, seed }) => (part === 'svm' ? svm(size, seed) : ridge(size, seed));
