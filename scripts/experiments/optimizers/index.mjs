// Optimizers on digits and letters: which claims of their papers are seen at a size that two cores train in 150 minutes.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { clock } from '../clock.mjs';
import { drawOutcomes } from './charts.mjs';
import { estimate } from './estimate.mjs';
import { pageOf } from './page.mjs';
import { jobs } from './plan.mjs';
import { quick } from './quick.mjs';
import { outcomeOf } from './runs.mjs';
import { tasks } from './tasks/index.mjs';
import { train } from './train.mjs';

const show = (/** @type {string} */ line) => console.log(line);

/** @param {readonly { wall: number, seconds: number }[]} runs */
function effortOf(runs) {
  const sumOf = (/** @type {'wall' | 'seconds'} */ key) => clock(runs.reduce((sum, run) => sum + run[key], 0));
  return `Its ${runs.length} runs took ${sumOf('wall')} by the clock; training alone was ${sumOf('seconds')} of a processor.`;
}

export const experiment = {
  jobs,
  run: train,
  /** @param {import('./train.mjs').Settings} settings */
  nameOf: ({ task, optimizer, rate, seed, share }) =>
    `${task}, ${optimizer}, rate ${Number(rate.toPrecision(3))}, seed ${seed}${share < 1 ? `, a share of ${share}` : ''}`,
  quick: () => quick(show),
  /** @param {import('../records.mjs').Records} records */
  async plan(records) {
    const seconds = await estimate(records, show);
    show(`all ${jobs(records).length} runs: about ${clock(seconds)} on this machine as it is now`);
  },
  /** @param {import('../records.mjs').Records} records all there @param {string} root @returns {Promise<string[]>} the files */
  async write(records, root) {
    const outcomes = tasks.map((task) => outcomeOf(task, records));
    const file = path.join(root, 'docs', 'experiments', 'optimizers.md');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, pageOf(outcomes, effortOf(jobs(records).map(({ settings }) => records.of(settings)))));
    return [file, ...(await drawOutcomes(outcomes, path.join(root, 'docs', 'images')))];
  },
};
