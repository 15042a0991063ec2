// Values by O-DICE from logged transitions, and the weights of the logged actions that come of them.
import { ops, Tensor } from 'orthokit';
import { linearValue, OdiceValueLearner } from 'orthokit/policy';

/** @import { Device } from 'orthokit' */
/** @typedef {'orthogonal' | 'true' | 'semi'} Mode */
/** @typedef {{ states: Float32Array, nextStates: Float32Array, rewards: Float32Array, done: Float32Array, count: number, width: number }} Transitions features of states, one row each */

const size = 64;

/**
 * @param {Device} device @param {Transitions} data
 * @param {{ mode: Mode, lambda: number, discount: number, steps: number, lr: number, random: () => number }} options
 * @returns {Promise<Float32Array>} a weight for each transition
 */
export async function weightsOf(
  device,
  { states, nextStates, rewards, done, count, width },
  { mode, lambda, discount, steps, lr, random },
) {
  const learner = new OdiceValueLearner(linearValue(width, { device }), { mode, lambda, discount, targetRate: 0.05 });
  const place = (/** @type {Float32Array} */ x, /** @type {number} */ row) => Tensor.from(device, x, row === 1 ? [count] : [count, row]); // biome-ignore format: one line
  const all = {
    states: place(states, width),
    nextStates: place(nextStates, width),
    rewards: place(rewards, 1),
    done: place(done, 1),
  };
  const batch = { states: Tensor.zeros(device, [size, width]), nextStates: Tensor.zeros(device, [size, width]), rewards: Tensor.zeros(device, [size]), done: Tensor.zeros(device, [size]) }; // biome-ignore format: one line
  const index = Tensor.zeros(device, [size], { dtype: 'i32' });
  for (let t = 0; t < steps; ++t) {
    learner.lr = (lr / 2) * (1 + Math.cos((Math.PI * t) / steps)) + 1e-9;
    index.write(Int32Array.from({ length: size }, () => Math.floor(random() * count)));
    for (const key of /** @type {const} */ (['states', 'nextStates', 'rewards', 'done'])) ops.gatherRows(device, { x: all[key], index, out: batch[key] }); // biome-ignore format: one line
    (await learner.step(batch)).policyWeights.dispose();
  }
  const { policyWeights } = await learner.step(all);
  return /** @type {Float32Array} */ (await policyWeights.read());
}
