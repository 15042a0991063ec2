// Time of all runs, from a few steps of each kind.
import { clock } from '../clock.mjs';
import { contestantsOf } from './contestants.mjs';
import { jobs, revision } from './plan.mjs';
import { tasks } from './tasks/index.mjs';
import { train } from './train.mjs';

/** Steps of two runs: the second one's, beyond the first one's, are timed, as the first steps of a run make its buffers. */
const few = [5, 20];
/** The cost of measuring curvature, in steps: four gradients in f64, three times a run. */
const curvature = 30;

/** Seconds of a step and of what a run has besides. @param {any} task @param {import('./contestants.mjs').Contestant} contestant */
async function costOf(task, { name, rate, sizes }) {
  const { samples, batch } = task.sizes.full;
  const own = sizes?.first ?? batch;
  const times = [];
  for (const steps of few) {
    const share = Math.min(1, (steps * own) / samples);
    const settings = {
      revision,
      task: task.name,
      size: /** @type {const} */ ('full'),
      optimizer: name,
      rate,
      seed: 1,
      share,
    };
    const start = performance.now();
    await train(settings, { points: 1 });
    times.push({ samples: share * samples, wall: (performance.now() - start) / 1000 });
  }
  const [first, last] = times;
  const perSample = Math.max(0, last.wall - first.wall) / (last.samples - first.samples);
  return { perSample, rest: Math.max(0, first.wall - few[0] * own * perSample) };
}

/**
 * @param {import('../records.mjs').Records} records
 * @param {(line: string) => void} show
 * @returns {Promise<number>} seconds of all runs on this machine as it is now
 */
export async function estimate(records, show) {
  const all = jobs(records);
  let sum = 0;
  for (const task of tasks) {
    const { samples, batch } = task.sizes.full;
    let seconds = 0;
    for (const contestant of contestantsOf(task.name)) {
      const { perSample, rest } = await costOf(task, contestant);
      const whole = perSample * (samples + (task.curved ? curvature * batch : 0)) + rest;
      const tenth = 0.1 * perSample * samples + rest;
      const own = all.filter(({ group }) => group.startsWith(`${task.name}, ${contestant.name}, `));
      const rates = own.filter(({ group }) => group.endsWith('rates')).length;
      seconds += rates * tenth + (own.length - rates) * whole;
    }
    const runs = all.filter(({ group }) => group.startsWith(`${task.name}, `)).length;
    show(`${task.title}: ${runs} runs, ${clock(seconds)}`);
    sum += seconds;
  }
  return sum;
}
