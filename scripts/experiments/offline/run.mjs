// One run: a grid world, CartPole, or two tasks of one network.
import { runCart } from './cart.mjs';
import { runGrid } from './grid.mjs';
import { runSurgery } from './surgery.mjs';

/** @import { Mode } from './learn.mjs' */
/** @import { Way } from './surgery.mjs' */
/** @typedef {{ revision: number, size: 'full' | 'quick', part: 'grid' | 'cart', mode: Mode, lambda: number, seed: number, walk?: number } | { revision: number, size: 'full' | 'quick', part: 'surgery', way: Way, seed: number }} Settings */

export const sizes = {
  full: { steps: 1500, each: 2000, digits: 2000, batches: 200 },
  quick: { steps: 60, each: 200, digits: 400, batches: 10 },
};
export const modes = /** @type {Mode[]} */ (['orthogonal', 'true', 'semi']);
export const ways = /** @type {Way[]} */ (['new alone', 'new, surgery', 'sum', 'sum, surgery']);
export const lambdas = { grid: [0.4, 0.5, 0.6, 0.7, 0.8, 0.9], cart: [0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9] };

/** Gradients and walks of the grid that are tried with other batches. */
export const walked = /** @type {const} */ ([['orthogonal', 1], ['orthogonal', 2], ['orthogonal', 3], ['semi', 1], ['true', 1]]); // biome-ignore format: one line

/** @param {Settings} settings @returns {Promise<object>} */
export async function run(settings) {
  const { steps, each, digits, batches } = sizes[settings.size];
  if (settings.part === 'surgery') return runSurgery({ ...settings, count: digits, steps: batches });
  return settings.part === 'grid' ? runGrid({ ...settings, steps }) : runCart({ ...settings, steps, each });
}
