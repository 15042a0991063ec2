// Surrogates for an oracle that is dear, against methods that ask it once a step.
import { experimentOf } from '../parts.mjs';
import { draw, figures, judge, pageOf } from './page.mjs';
import { networks, run } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
/** @param {'full' | 'quick'} size */
const settings = (size) =>
  networks.flatMap((network) => (size === 'full' ? [1, 2, 3] : [1]).map((seed) => ({ revision, size, network, seed })));

export const experiment = experimentOf({
  ...{ name: 'surrogates', settings, run, figures, judge, pageOf, draw },
  nameOf: ({ network, seed }) => `${network}, seed ${seed}`,
});
