// Spectra of Gauss–Newton matrices, gradient descent at the edge of stability, and rates by Lanczos.
import { experimentOf } from '../parts.mjs';
import { batches, rates } from './edge.mjs';
import { draw, figures, judge, pageOf } from './page.mjs';
import { grid, networks, run, safeties } from './run.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
const revision = 1;
const seeds = [1, 2, 3];

/** @param {'full' | 'quick'} size */
const settings = (size) =>
  (size === 'full' ? seeds : [1]).flatMap((seed) => {
    const common = { revision, size, seed };
    return [
      ...(size === 'full' ? rates : [0.05]).flatMap((rate) =>
        batches.map((batch) => ({ ...common, part: 'edge', rate, batch })),
      ),
      ...networks.flatMap((network) => [
        ...(size === 'full' ? grid : [0.1]).map((rate) => ({ ...common, part: 'train', network, rate, safety: null })),
        ...(size === 'full' ? safeties : [safeties[0]]).map((safety) => ({
          ...common,
          part: 'train',
          network,
          rate: null,
          safety,
        })),
      ]),
    ];
  });

export const experiment = experimentOf({
  ...{ name: 'spectrum', settings, run, figures, judge, pageOf, draw },
  nameOf: ({ part, network, rate, safety, batch, seed }) =>
    part === 'edge'
      ? `at ${rate}, ${batch || 'all'} samples a step, seed ${seed}`
      : `${network} at ${rate ?? `${safety} of Lanczos' rate`}, seed ${seed}`,
  groupOf: ({ part, network, batch, safety }) =>
    part === 'edge' ? `edge ${batch}` : `${network}${safety ? ' by Lanczos' : ''}`,
});
