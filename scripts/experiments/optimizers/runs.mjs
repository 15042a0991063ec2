// Recorded runs as the page asks for them.
import { contestantsOf } from './contestants.mjs';
import { best, halfway } from './figures.mjs';
import { finalsOf, tuningOf } from './plan.mjs';

/**
 * @typedef {object} Entry runs of a contestant in a task
 * @property {string} name
 * @property {any[]} tuning
 * @property {any[]} best whole runs at its best rate, one a seed
 * @property {number} rate
 *
 * @typedef {{ task: any, entries: Entry[], target: number }} Outcome `target`: the loss that AdamW has halfway
 */

/** @param {any} task @param {import('../records.mjs').Records} records all there @returns {Outcome} */
export function outcomeOf(task, records) {
  const entries = contestantsOf(task.name).map((contestant) => {
    const runsOf = (/** @type {any[]} */ all) => all.map((settings) => records.of(settings));
    const tuning = runsOf(tuningOf(task, contestant));
    const { rate, runs } = best(task.tuned ? runsOf(finalsOf(task, contestant, records)) : tuning);
    return { name: contestant.name, tuning, rate, best: runs };
  });
  const adam = entries.find(({ name }) => name === 'AdamW');
  return { task, entries, target: halfway(adam?.best ?? []) };
}
