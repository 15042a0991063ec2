// Policies from logged steps by O-DICE, and surgery of the gradients of two tasks.
import { experimentOf } from '../parts.mjs';
import { draw, pageOf, seeds } from './page.mjs';
import { lambdas, modes, run, walked, ways } from './run.mjs';

/** @import { Settings } from './run.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;

/** @param {'full' | 'quick'} size @returns {Settings[]} */
function settings(size) {
  const of = size === 'full' ? seeds : [1];
  const parts = /** @type {const} */ (['grid', 'cart']);
  const learned = parts.flatMap((part) => modes.flatMap((mode) => (size === 'full' ? lambdas[part] : [0.6]).flatMap((lambda) => of.map((seed) => ({ revision, size, part, mode, lambda, seed }))))); // biome-ignore format: one line
  const walks = size === 'full' ? walked.flatMap(([mode, walk]) => of.map((seed) => ({ revision, size, part: /** @type {const} */ ('grid'), mode, lambda: 0.5, seed, walk }))) : []; // biome-ignore format: one line
  return [...learned, ...walks, ...ways.flatMap((way) => of.map((seed) => ({ revision, size, part: /** @type {const} */ ('surgery'), way, seed })))]; // biome-ignore format: one line
}

export const experiment = experimentOf({
  ...{ name: 'offline', settings, run, pageOf, draw },
  nameOf: (own) =>
    `${own.part} by ${own.part === 'surgery' ? own.way : `${own.mode} at ${own.lambda}${own.walk ? `, walk ${own.walk}` : ''}`}, seed ${own.seed}`,
  figures: (runs) => ({
    head: ['part', 'way', 'result'],
    rows: runs.map(({ part, mode, way, result, kept }) => [part, mode ?? way, (result ?? kept).toFixed(3)]),
  }),
});
