// A small GPT in 4, 3 and 2 bits, moved to another text and taught a letter by forward passes alone.
import { experimentOf } from '../parts.mjs';
import { drawLosses } from './chart.mjs';
import { judge, pageOf } from './page.mjs';
import { batches, run, sameMemory } from './run.mjs';
import { ways as tokenWays } from './token.mjs';

/** @import { Made } from '../parts.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
const seeds = [1, 2, 3];
/** Rates and bounds of directional derivatives that QZO is tried with, null for none; and the rate of AdamW on scales. */
const tries = /** @type {const} */ ([
  [3e-5, 100],
  [1e-4, 100],
  [3e-4, 100],
  [3e-4, 1],
  [3e-4, null],
  [1e-3, 1],
  [1e-3, null],
]);
const ofScales = 3e-3;

/** @param {Made} made */
function whole(made) {
  const common = { revision, size: /** @type {const} */ ('full') };
  const memory = { ...common, kind: 'memory', forwards: 'in scopes' };
  const most = /** @type {number} */ (batches.full.at(-1));
  const measured = made.of(memory);
  const fitting = measured && sameMemory(measured.peaks, most);
  const moves = seeds.flatMap((seed) => {
    const of = (/** @type {string} */ way, /** @type {number} */ rate, /** @type {number} */ batch, /** @type {number | null} */ clip) => ({ ...common, kind: 'move', seed, way, rate, batch, clip }); // biome-ignore format: one line
    // The second batch is known once memory is.
    const fit = fitting ? [of('scales', ofScales, fitting, null)] : measured ? [] : [undefined];
    return [...tries.map(([rate, clip]) => of('forwards', rate, most, clip)), of('scales', ofScales, most, null), ...fit]; // biome-ignore format: one line
  });
  return [
    memory,
    ...seeds.map((seed) => ({ ...common, kind: 'sizes', seed })),
    ...moves,
    ...seeds.flatMap((seed) => Object.keys(tokenWays).map((way) => ({ ...common, kind: 'token', seed, way }))),
  ];
}

/** One of each kind but of memory. */
function tiny() {
  const common = { revision, size: /** @type {const} */ ('quick'), seed: 1 };
  const move = { ...common, kind: 'move', batch: 4 };
  return [
    { ...common, kind: 'sizes' },
    { ...move, way: 'forwards', rate: 1e-4, clip: 100 },
    { ...move, way: 'scales', rate: 1e-3, clip: null },
    { ...common, kind: 'token', way: 'history of 32' },
  ];
}

const digits = (/** @type {readonly number[]} */ losses) => losses.map((loss) => loss.toFixed(3)).join(', ');
/** @param {any} run @returns {string[][]} */
const rowsOf = ({ kind, base, rows, way, losses, before, after }) => {
  if (kind === 'sizes') return [['f32', '32', `${base.bytes}`, digits([base.loss])], ...rows.map((/** @type {any} */ row) => [row.way, `${row.bits}`, `${row.bytes}`, digits([row.loss])])]; // biome-ignore format: one line
  return [[kind === 'move' ? `moved by ${way}` : 'a letter', '', '', digits(losses ?? [before, after])]];
};

export const experiment = experimentOf({
  ...{ name: 'low-bit', run, pageOf, each: 'half a minute to a few minutes' },
  settings: (size, made) => (size === 'full' ? whole(made) : tiny()),
  nameOf: ({ kind, way, seed, rate, batch, clip }) =>
    [kind, way, rate !== undefined && `rate ${rate}, batch ${batch}, clip ${clip}`, seed && `seed ${seed}`].filter(Boolean).join(', '), // biome-ignore format: one line
  groupOf: ({ kind, way }) => (kind === 'move' ? way : kind),
  figures: (runs) => ({ head: ['way', 'bits', 'bytes', 'loss'], rows: runs.flatMap(rowsOf) }),
  draw: (runs, folder) => drawLosses(runs, judge(runs), folder),
});
