// Trajectories of a linear softmax policy, and the oracle of the policy's objective that is made of them.
import { Tensor } from 'orthokit';
import { rewardToGo } from 'orthokit/policy';
import { uniform as sequence } from '../../../examples/random.mjs';

/** @import { Device } from 'orthokit' */
/** @import { LinearSoftmaxPolicy, PolicyOracle } from 'orthokit/policy' */
/** @import { Environment } from './cartpole.mjs' */

export const discount = 0.99;

/** Numbers in [0, 1), seeds that follow each other far apart in their sequence. @param {number} seed */
export const uniform = (seed) => sequence(Math.imul(seed + 1, 0x85ebca6b) ^ Math.floor(seed / 2 ** 32));

/** An action by the softmax of features times θ. @param {readonly number[]} features @param {ArrayLike<number>} theta @param {number} actions @param {() => number} random */
export function drawn(features, theta, actions, random) {
  const logits = Array(actions).fill(0);
  for (const [i, x] of features.entries()) for (let a = 0; a < actions; ++a) logits[a] += x * theta[i * actions + a];
  const most = Math.max(...logits);
  const chances = logits.map((x) => Math.exp(x - most));
  let place = random() * chances.reduce((sum, x) => sum + x, 0);
  for (let a = 0; a < actions - 1; ++a) {
    place -= chances[a];
    if (place < 0) return a;
  }
  return actions - 1;
}

/** @typedef {{ features: number[][], actions: number[], rewards: number[] }} Trajectory */

/** @param {Environment} environment @param {ArrayLike<number>} theta @param {number} count @param {() => number} random @returns {Trajectory[]} */
export function play(environment, theta, count, random) {
  return Array.from({ length: count }, () => {
    const state = environment.reset(random);
    /** @type {Trajectory} */
    const made = { features: [], actions: [], rewards: [] };
    for (let t = 0; t < environment.most; ++t) {
      const features = environment.features(state);
      const action = drawn(features, theta, environment.actions, random);
      const { reward, isOver } = environment.step(state, action);
      made.features.push(features);
      made.actions.push(action);
      made.rewards.push(reward);
      if (isOver) break;
    }
    return made;
  });
}

export const returnOf = (/** @type {Trajectory} */ { rewards }) => rewards.reduce((sum, reward) => sum + reward, 0);

/**
 * Trajectories as tensors; weights are rewards to go less their mean over the other trajectories, which does not depend on the
 * trajectory's own actions.
 *
 * @param {Device} device @param {readonly Trajectory[]} played @param {number} stateDim
 */
async function batchOf(device, played, stateDim) {
  const [count, time] = [played.length, Math.max(...played.map(({ actions }) => actions.length))];
  const [states, actions, rewards] = [new Float32Array(count * time * stateDim), new Int32Array(count * time), new Float32Array(count * time)]; // biome-ignore format: one line
  const lengths = Int32Array.from(played, (one) => one.actions.length);
  for (const [i, one] of played.entries()) {
    for (const [t, features] of one.features.entries()) states.set(features, (i * time + t) * stateDim);
    actions.set(one.actions, i * time);
    rewards.set(one.rewards, i * time);
  }
  const given = Tensor.from(device, rewards, [count, time]);
  const weights = rewardToGo(given, lengths, { discount });
  const all = await weights.read();
  for (let t = 0; t < time && count > 1; ++t) {
    let sum = 0;
    for (let i = 0; i < count; ++i) sum += all[i * time + t];
    for (let i = 0; i < count; ++i) all[i * time + t] = (count * all[i * time + t] - sum) / (count - 1);
  }
  weights.write(all);
  given.dispose();
  return { states: Tensor.from(device, states, [count, time, stateDim]), actions: Tensor.from(device, actions, [count, time]), weights, lengths }; // biome-ignore format: one line
}

/**
 * The oracle of the discounted return, by `count` trajectories each time, which counts steps of the environment.
 *
 * @param {Device} device @param {LinearSoftmaxPolicy} policy @param {Environment} environment @param {{ count: number, seed: number }} options
 * @returns {PolicyOracle & { samples: number }}
 */
export function oracleOf(device, policy, environment, { count, seed: own }) {
  const batchAt = async (/** @type {readonly Tensor[]} */ params, /** @type {number} */ seed) => {
    const theta = await params[0].read();
    const played = play(environment, theta, count, uniform(1000 * own + seed));
    for (const { actions } of played) oracle.samples += actions.length;
    return batchOf(device, played, environment.stateDim);
  };
  const oracle = {
    samples: 0,
    /** @type {PolicyOracle['gradient']} */
    async gradient(params, grads, seed) {
      const batch = await batchAt(params, seed);
      policy.gradient(batch, grads, { params });
      for (const one of [batch.states, batch.actions, batch.weights]) one.dispose();
    },
    /** @type {NonNullable<PolicyOracle['hessianProduct']>} */
    async hessianProduct(params, v, out, seed) {
      const batch = await batchAt(params, (seed % 2 ** 32) + 500_000);
      policy.hessianProduct(batch, v, out, { params });
      for (const one of [batch.states, batch.actions, batch.weights]) one.dispose();
    },
  };
  return oracle;
}
