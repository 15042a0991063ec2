// Slopes of DADAO on graphs that ask for few communications and for many.
import { experimentOf } from '../parts.mjs';
import { draw, judge, names, pageOf, seeds } from './page.mjs';
import { run } from './run.mjs';

/** @import { Settings } from './run.mjs' */

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
const settings = (/** @type {Settings['size']} */ size) =>
  names.flatMap((graph) => (size === 'full' ? seeds : [1]).map((seed) => ({ revision, size, graph, seed })));

export const experiment = experimentOf({
  ...{ name: 'decentralized', settings, run, pageOf, draw },
  nameOf: ({ graph, seed }) => `${graph}, seed ${seed}`,
  figures: (runs) => ({
    head: ['graph', 'χ₁', 'slope'],
    rows: runs.map(({ graph, chi1, slope }) => [graph, chi1.toFixed(1), slope.toFixed(4)]),
  }),
  judge: (runs) => ({ 'faster than promised': judge(runs).fast }),
});
