// Policies of a pole on a cart and of two links, by N-PG-IGT, HARPG, N-HARPG and the plain policy gradient.
import { experimentOf } from '../parts.mjs';
import { bestRate, draw, pageOf, places, seeds } from './page.mjs';
import { methods, rates, run } from './run.mjs';

/** @import { Made } from '../parts.mjs' */
/** @import { Settings } from './run.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
const all = places.flatMap((place) => methods.map((method) => ({ place, method })));
/** @param {Made} records */
function whole(records) {
  const size = /** @type {const} */ ('full');
  /** @type {Settings[]} */
  const tried = all.flatMap(({ place, method }) => rates[place][method].flatMap((rate) => seeds.chosen.map((seed) => ({ revision, size, place, method, rate, seed })))); // biome-ignore format: one line
  const made = tried.filter((own) => records.of(own)).map((own) => ({ ...own, ...records.of(own) }));
  const judged = all.flatMap(({ place, method }) => {
    const rate = bestRate(made, place, method);
    return seeds.judged.map((seed) => (rate === undefined ? undefined : { revision, size, place, method, rate, seed }));
  });
  return [...tried, ...judged];
}
/** @returns {Settings[]} */
const tiny = () => all.map(({ place, method }) => ({ revision, size: 'quick', place, method, rate: rates[place][method][1], seed: 1 })); // biome-ignore format: one line

export const experiment = experimentOf({
  ...{ name: 'policy', run, pageOf, draw },
  settings: (size, made) => (size === 'full' ? whole(made) : tiny()),
  nameOf: ({ place, method, rate, seed }) => `${place} by ${method} at ${rate}, seed ${seed}`,
  figures: (runs) => ({
    head: ['place', 'method', 'at first', 'at the end'],
    rows: runs.map(({ place, method, curve, end }) => [place, method, curve[0][1].toFixed(1), end.toFixed(1)]),
  }),
});
