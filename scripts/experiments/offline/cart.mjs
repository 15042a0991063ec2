// Logged steps of CartPole, of players of three kinds, and policies that are cloned from them with weights.
import { Device, ops, Tensor } from 'orthokit';
import { LinearSoftmaxPolicy } from 'orthokit/policy';
import { cartpole } from '../policy/cartpole.mjs';
import { play, returnOf, uniform } from '../policy/play.mjs';
import { weightsOf } from './learn.mjs';

/** @import { Mode } from './learn.mjs' */

/** θ of a player that mostly balances, of one that knows nothing, and of one that does the wrong thing. @type {Record<string, number[]>} */
const players = {
  good: [-0.3, 0.3, -0.5, 0.5, -2, 2, -2, 2, 0, 0],
  random: Array(10).fill(0),
  wrong: [0.3, -0.3, 0.5, -0.5, 2, -2, 2, -2, 0, 0],
};
const [discount, judged] = [0.98, 50];

/** Squares and products of the features, which the values are linear in. @param {readonly number[]} x */
const squared = (x) => [...x, ...x.slice(0, 4).flatMap((a, i) => x.slice(i, 4).map((b) => a * b))];

/** @param {number} seed @param {number} each steps of each player */
export function logged(seed, each) {
  const random = uniform(seed);
  /** @type {{ features: number[], next: number[], action: number, isOver: boolean }[]} */
  const steps = [];
  /** @type {Record<string, number>} */
  const returns = {};
  for (const [name, theta] of Object.entries(players)) {
    const end = steps.length + each;
    const made = [];
    while (steps.length < end) {
      const [one] = play(cartpole, theta, 1, random);
      made.push(returnOf(one));
      const length = one.actions.length;
      // The last state of an episode that was cut is not known: it is left out.
      for (let t = 0; t < (length < cartpole.most ? length : length - 1) && steps.length < end; ++t)
        steps.push({ features: one.features[t], next: one.features[t + 1] ?? one.features[t], action: one.actions[t], isOver: t === length - 1 }); // biome-ignore format: one line
    }
    returns[name] = made.reduce((sum, x) => sum + x / made.length, 0);
  }
  return { steps, returns };
}

/** The mean return of a linear softmax policy that repeats the logged actions with weights. @param {Device} device @param {ReturnType<typeof logged>['steps']} steps @param {Float32Array} weights @param {number} seed */
async function clonedReturn(device, steps, weights, seed) {
  const [count, mean] = [steps.length, weights.reduce((sum, x) => sum + x, 0) / steps.length];
  const policy = new LinearSoftmaxPolicy(device, { stateDim: 5, actions: 2 });
  // Each step is a trajectory of its own, so that the gradient is that of the mean of weight · log π.
  const batch = {
    states: Tensor.from(device, Float32Array.from(steps.flatMap(({ features }) => features)), [count, 1, 5]),
    actions: Tensor.from(device, Int32Array.from(steps, ({ action }) => action), [count, 1]), // biome-ignore format: one line
    weights: Tensor.from(device, weights.map((x) => x / (mean || 1)), [count, 1]), // biome-ignore format: one line
    lengths: new Int32Array(count).fill(1),
  };
  const grads = [Tensor.zeros(device, [5, 2])];
  for (let t = 0; t < 300; ++t) {
    policy.gradient(batch, grads);
    ops.linearCombination(device, {
      out: [...policy.params],
      terms: [policy.params[0], grads[0]],
      coefficients: [1, 2],
    });
  }
  const played = play(cartpole, await policy.params[0].read(), judged, uniform(7777 + seed));
  return played.reduce((sum, one) => sum + returnOf(one) / judged, 0);
}

/** @param {{ mode: Mode, lambda: number, seed: number, steps: number, each: number }} settings */
export async function runCart({ mode, lambda, seed, steps: learned, each }) {
  const { steps, returns } = logged(seed, each);
  const rows = (/** @type {'features' | 'next'} */ which) =>
    Float32Array.from(steps.flatMap((one) => squared(one[which])));
  const done = Float32Array.from(steps, ({ isOver }) => Number(isOver));
  const count = steps.length;
  const given = {
    states: rows('features'),
    nextStates: rows('next'),
    rewards: new Float32Array(count).fill(1),
    done,
    count,
    width: 15,
  };
  const device = Device.open('cpu', { threads: 1 });
  const weights = await weightsOf(device, given, {
    mode,
    lambda,
    discount,
    steps: learned,
    lr: 0.1,
    random: uniform(99 + seed),
  });
  const result = await clonedReturn(device, steps, weights, seed);
  const cloning = await clonedReturn(device, steps, new Float32Array(count).fill(1), seed);
  await device.close();
  return { result, cloning, returns, kept: weights.filter((x) => x > 0).length / count };
}
