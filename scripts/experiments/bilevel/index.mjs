// Labels of digits of which some are wrong, found by BO-REP.
import { experimentOf, percent } from '../parts.mjs';
import { draw, judge, pageOf, seeds } from './page.mjs';
import { rates, run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 3;
const ways = /** @type {const} */ (['normalized', 'plain']);
/** Tiny runs have the middle rate of each way. @param {'full' | 'quick'} size */
const settings = (size) =>
  ways.flatMap((way) =>
    (size === 'full' ? rates[way] : [rates[way][1]]).flatMap((rate) =>
      (size === 'full' ? seeds : [1]).map((seed) => ({ revision, size, seed, way, rate })),
    ),
  );

export const experiment = experimentOf({
  ...{ name: 'bilevel', settings, run, judge, pageOf, draw, each: 'about ten times that' },
  nameOf: ({ way, rate, seed }) => `${way} at ${rate}, seed ${seed}`,
  groupOf: () => 'labels',
  figures: (runs) => ({
    head: ['way', 'rate', 'found', 'before', 'after'],
    rows: runs.map(({ way, rate, found, before, after }) => [way, `${rate}`, ...[found, before, after].map((x) => percent(x))]), // biome-ignore format: one line
  }),
});
