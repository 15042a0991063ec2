// Runs of an experiment that are not there yet, until all are made or the time is over.
import { clock } from './clock.mjs';

/**
 * A run that an experiment wants: its settings, nothing as long as they depend on other runs, and the group whose runs take about
 * as long.
 *
 * @typedef {{ settings: object | undefined, group: string }} Job
 */

/** @param {readonly Job[]} jobs @param {import('./records.mjs').Records} records @returns {Job[]} those that are not made yet */
export const openJobs = (jobs, records) => jobs.filter(({ settings }) => !settings || !records.of(settings));

/**
 * Seconds of a run by its group: the mean of those that are made, else of all.
 *
 * @param {readonly Job[]} jobs
 * @param {import('./records.mjs').Records} records
 */
export function secondsOf(jobs, records) {
  /** @type {Map<string, number[]>} */
  const times = new Map();
  for (const { settings, group } of jobs) {
    const made = settings && records.of(settings);
    if (made) times.set(group, [...(times.get(group) ?? []), made.wall]);
  }
  const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const all = [...times.values()].flat();
  return (/** @type {string} */ group) => mean(times.get(group) ?? (all.length > 0 ? all : [0]));
}

/**
 * @param {any} experiment
 * @param {import('./records.mjs').Records} records
 * @param {{ minutes: number, show: (line: string) => void }} options
 * @returns {Promise<number>} runs that are left
 */
export async function makeRuns(experiment, records, { minutes, show }) {
  const end = performance.now() + 60_000 * minutes;
  for (;;) {
    const jobs = experiment.jobs(records);
    const open = openJobs(jobs, records);
    const next = open.find(({ settings }) => settings);
    if (!next) return open.length;
    const seconds = secondsOf(jobs, records);
    if (performance.now() + 1000 * seconds(next.group) > end) return open.length;
    const left = open.reduce((sum, { group }) => sum + seconds(group), 0);
    show(
      `run ${jobs.length - open.length + 1} of ${jobs.length}: ${experiment.nameOf(next.settings)}; ` +
        `about ${clock(left)} for the ${open.length} that are left`,
    );
    const start = performance.now();
    const result = await experiment.run(next.settings);
    records.append(next.settings, { ...result, wall: (performance.now() - start) / 1000 });
  }
}
