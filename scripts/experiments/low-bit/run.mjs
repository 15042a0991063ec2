// One run of the experiment, by its kind.
import { compressed } from './compressed.mjs';
import { costsOf, moved, peakOf } from './move.mjs';
import { learnt } from './token.mjs';

/**
 * @typedef {{ revision: number, size: 'full' | 'quick' }} Common
 * @typedef {Common & { kind: 'sizes', seed: number }} Sizes
 * @typedef {Common & { kind: 'memory', forwards: 'in scopes' }} Memory
 * @typedef {Common & { kind: 'move', seed: number, way: import('./move.mjs').Way, rate: number, batch: number, clip: number | null }} Move
 * @typedef {Common & { kind: 'token', seed: number, way: keyof typeof import('./token.mjs').ways }} Token
 */

/** Sequences of a step, from few to many; the last is that of training. */
export const batches = { full: [1, 2, 4, 8], quick: [1, 4] };

/** Peaks of memory by way and batch, and what steps cost. @param {'full' | 'quick'} size */
async function measured(size) {
  const peaks = [];
  for (const way of /** @type {const} */ (['forwards', 'scales', 'all numbers']))
    for (const batch of batches[size]) peaks.push({ way, batch, ...(await peakOf(size, way, batch)) });
  const most = /** @type {number} */ (batches[size].at(-1));
  const costs = await costsOf(size, [
    { way: 'forwards', batch: most },
    { way: 'scales', batch: most },
    { way: 'scales', batch: sameMemory(peaks, most) ?? 1 },
  ]);
  return { peaks, costs };
}

/** The most sequences with which gradients of scales take no more memory than forwards of a batch; nothing where none do. @param {readonly any[]} peaks @param {number} batch */
export function sameMemory(peaks, batch) {
  const own = peaks.find((one) => one.way === 'forwards' && one.batch === batch).peak;
  const fit = peaks.filter((one) => one.way === 'scales' && one.peak <= own).map((one) => one.batch);
  return fit.length > 0 ? Math.max(...fit) : undefined;
}

/** @param {Sizes | Memory | Move | Token} settings @returns {Promise<any>} */
export async function run(settings) {
  if (settings.kind === 'sizes') return compressed(settings);
  if (settings.kind === 'memory') return measured(settings.size);
  return settings.kind === 'move' ? moved(settings) : learnt(settings);
}
