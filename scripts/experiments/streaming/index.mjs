// An endless signal by layers that are stepped, and letters of a GPT with a ring.
import { experimentOf } from '../parts.mjs';
import { judge, pageOf } from './page.mjs';
import { run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 5;
/** @param {'full' | 'quick'} size */
const settings = (size) => (size === 'full' ? [1, 2, 3] : [1]).map((seed) => ({ revision, size, seed }));

export const experiment = experimentOf({
  ...{ name: 'streaming', settings, run, judge, pageOf, each: 'a minute or two' },
  nameOf: ({ seed }) => `streams, seed ${seed}`,
  figures: ([{ byStep, byWindow, apart, letters }]) => ({
    head: ['multiplications', 'of a step', 'of a window', 'apart'],
    rows: [
      ['signal', `${byStep}`, `${byWindow}`, apart.toExponential(1)],
      ['letters', `${letters.byRing}`, `${letters.byWindow}`, letters.apart.toExponential(1)],
    ],
  }),
});
