// Adapters on digits: LoLDU beside LoRA and training of all numbers; FedSVD beside a fixed a, with noise and uneven clients.
import { experimentOf } from '../parts.mjs';
import { drawRates } from './chart.mjs';
import { federate, rates as fedRates, ways as fedWays, noises } from './federate.mjs';
import { pageOf } from './page.mjs';
import { tune, rates as tuneRates, ways as tuneWays } from './tune.mjs';

/** A new number makes all runs anew. */
const revision = 1;
export const seeds = [1, 2, 3];

/** @param {'full' | 'quick'} size */
function settings(size) {
  const ofSeeds = size === 'full' ? seeds : [1];
  const tunings = Object.keys(tuneWays).flatMap((way) =>
    (size === 'full' ? tuneRates : [1e-2]).flatMap((rate) =>
      ofSeeds.map((seed) => ({ revision, part: 'tune', size, way, rate, seed })),
    ),
  );
  const federated = Object.keys(fedWays).flatMap((way) =>
    noises.flatMap((noise) =>
      (size === 'full' ? fedRates : [0.5]).flatMap((rate) =>
        ofSeeds.map((seed) => ({ revision, part: 'federate', size, way, noise, rate, seed })),
      ),
    ),
  );
  return [...tunings, ...federated];
}
const nameOf = (/** @type {any} */ { part, way, noise, rate, seed }) =>
  `${part}: ${way}${noise === undefined ? '' : `, noise ${noise}`}, rate ${rate}, seed ${seed}`;

export const experiment = experimentOf({
  ...{ name: 'adapters', settings, nameOf, pageOf, draw: drawRates, each: 'a few seconds' },
  run: (own) => (own.part === 'tune' ? tune(own) : federate(own)),
  groupOf: ({ part }) => part,
  figures: (runs) => ({
    head: ['run', 'share right'],
    rows: runs.map((own) => [nameOf(own), own.after.toFixed(4)]),
  }),
});
