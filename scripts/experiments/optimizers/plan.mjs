// Runs of the whole experiment. Tasks that are not tuned take every rate from every seed. Those that are take every rate by one
// seed and a tenth of the samples, and the two rates that were best then whole, from every seed.
import { contestantsOf, ratesOf } from './contestants.mjs';
import { finalLoss } from './figures.mjs';
import { tasks } from './tasks/index.mjs';

/** Raised when what a run computes changes: runs of another one do not count. */
export const revision = 2;
export const seeds = [1, 2, 3];
const share = 0.1;
const kept = 2;

/** @param {string} task @param {string} optimizer @param {number} rate @param {number} seed @param {number} share */
const settingsOf = (task, optimizer, rate, seed, share) => ({
  ...{ revision, task, size: 'full', optimizer, rate, seed, share },
});

/** @param {any} task @param {any} contestant runs by which its rate is chosen: as many for each contestant of a task */
export const tuningOf = (task, contestant) =>
  ratesOf(contestant, task.name).flatMap((rate) =>
    (task.tuned ? seeds.slice(0, 1) : seeds).map((seed) =>
      settingsOf(task.name, contestant.name, rate, seed, task.tuned ? share : 1),
    ),
  );

/**
 * @param {any} task that is tuned
 * @param {any} contestant
 * @param {import('../records.mjs').Records} records
 * @returns {(ReturnType<typeof settingsOf> | undefined)[]} nothing for runs whose rate is not chosen yet
 */
export function finalsOf(task, contestant, records) {
  const runs = tuningOf(task, contestant).map((settings) => records.of(settings));
  const chosen = runs.every(Boolean)
    ? [...runs].sort((a, b) => finalLoss(a) - finalLoss(b) || a.settings.rate - b.settings.rate).slice(0, kept)
    : Array(kept).fill(undefined);
  return chosen.flatMap((run) =>
    seeds.map((seed) => run && settingsOf(task.name, contestant.name, run.settings.rate, seed, 1)),
  );
}

/** @param {import('../records.mjs').Records} records @returns {import('../session.mjs').Job[]} */
export const jobs = (records) =>
  tasks.flatMap((task) => {
    const all = contestantsOf(task.name);
    const job = (/** @type {any} */ contestant, /** @type {string} */ kind) => (/** @type {any} */ settings) => ({
      settings,
      group: `${task.name}, ${contestant.name}, ${kind}`,
    });
    const tuning = all.flatMap((own) => tuningOf(task, own).map(job(own, task.tuned ? 'rates' : 'whole')));
    const finals = task.tuned ? all.flatMap((own) => finalsOf(task, own, records).map(job(own, 'whole'))) : [];
    return [...tuning, ...finals];
  });
