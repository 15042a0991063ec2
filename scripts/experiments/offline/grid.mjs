// A grid whose last cell is the goal, and paths of a walker that mostly knows nothing.
import { Device } from 'orthokit';
import { uniform } from '../policy/play.mjs';
import { weightsOf } from './learn.mjs';

/** @import { Mode } from './learn.mjs' */

const [side, discount, samples] = [6, 0.9, 2000];
const cells = side * side;
const goal = cells - 1;
const moves = [[0, 1], [1, 0], [0, -1], [-1, 0]]; // biome-ignore format: one line
/** The value of the first cell where each step leads on: the least number of steps is 10. */
export const optimum = discount ** (2 * (side - 1) - 1);

/** @param {number} cell @param {number} action */
function moved(cell, action) {
  const row = Math.min(side - 1, Math.max(0, Math.floor(cell / side) + moves[action][0]));
  const column = Math.min(side - 1, Math.max(0, (cell % side) + moves[action][1]));
  return row * side + column;
}

/** Normalized radial functions around the cells, so that neighbours share what is learned. @param {number} cell */
function featuresOf(cell) {
  const all = Array.from({ length: cells }, (_, other) => {
    const [x, y] = [(cell % side) - (other % side), Math.floor(cell / side) - Math.floor(other / side)];
    return Math.exp(-(x * x + y * y) / 0.5);
  });
  const sum = all.reduce((total, x) => total + x, 0);
  return all.map((x) => x / sum);
}

/** The exact value of a policy at the first cell, of a reward of 1 at the goal. @param {number[][]} policy */
function startValueOf(policy) {
  let values = Array(cells).fill(0);
  for (let sweep = 0; sweep < 300; ++sweep)
    values = values.map((_, cell) => {
      if (cell === goal) return 0;
      return policy[cell].reduce((sum, p, action) => {
        const next = moved(cell, action);
        return sum + p * (next === goal ? 1 : discount * values[next]);
      }, 0);
    });
  return values[0];
}

/** @param {readonly (readonly number[])[]} data @param {ArrayLike<number>} weights */
function cloned(data, weights) {
  const policy = Array.from({ length: cells }, () => [0, 0, 0, 0]);
  for (const [k, [cell, action]] of data.entries()) policy[cell][action] += weights[k];
  return policy.map((row) => {
    const sum = row.reduce((total, x) => total + x, 0);
    return sum > 0 ? row.map((x) => x / sum) : [0.25, 0.25, 0.25, 0.25];
  });
}

/** @param {{ mode: Mode, lambda: number, seed: number, steps: number, walk?: number | undefined }} settings `walk`: the seed of the walk, where `seed` is that of batches alone */
export async function runGrid({ mode, lambda, seed, steps, walk }) {
  const random = uniform(walk ?? seed);
  let cell = 0;
  const data = Array.from({ length: samples }, (_, k) => {
    const from = cell;
    const toward = [0, 1].filter((action) => moved(from, action) !== from);
    const action = random() < 0.7 ? Math.floor(random() * 4) : toward[Math.floor(random() * toward.length)];
    const next = moved(from, action);
    cell = next === goal || k % 50 === 49 ? Math.floor(random() * goal) : next;
    return [from, action, next];
  });
  const batches = walk === undefined ? random : uniform(10 + seed);
  const rows = (/** @type {0 | 2} */ which) => Float32Array.from(data.flatMap((one) => featuresOf(one[which])));
  const done = Float32Array.from(data, ([, , next]) => Number(next === goal));
  const given = {
    states: rows(0),
    nextStates: rows(2),
    rewards: done.map((x) => 20 * x),
    done,
    count: samples,
    width: cells,
  };
  const device = Device.open('cpu', { threads: 1 });
  const weights = await weightsOf(device, given, { mode, lambda, discount, steps, lr: 0.3, random: batches });
  await device.close();
  return {
    result: startValueOf(cloned(data, weights)),
    cloning: startValueOf(cloned(data, new Float32Array(samples).fill(1))),
    kept: weights.filter((x) => x > 0).length / samples,
  };
}
