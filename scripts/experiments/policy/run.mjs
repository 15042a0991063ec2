// One policy learns in one environment, by one method, until it has had so many steps of the environment.
import { Device, ops, Tensor } from 'orthokit';
import { Harpg, LinearSoftmaxPolicy, NPgIgt } from 'orthokit/policy';
import { acrobot } from './acrobot.mjs';
import { cartpole } from './cartpole.mjs';
import { oracleOf, play, returnOf, uniform } from './play.mjs';

/** @import { PolicyOracle } from 'orthokit/policy' */
/** @typedef {'N-PG-IGT' | 'HARPG' | 'N-HARPG' | 'policy gradient'} Method */
/** @typedef {keyof typeof environments} Place */
/** @typedef {{ revision: number, size: 'full' | 'quick', place: Place, method: Method, rate: number, seed: number }} Settings */

export const environments = { cartpole, acrobot };
export const sizes = {
  full: { samples: { cartpole: 60_000, acrobot: 60_000 }, count: 5, judged: 20, points: 20 },
  quick: { samples: { cartpole: 3000, acrobot: 6000 }, count: 4, judged: 5, points: 3 },
};
/** Step sizes that are tried: lengths of normalized steps, and factors of the gradient. @type {Record<Place, Record<Method, number[]>>} */
export const rates = {
  cartpole: { 'N-PG-IGT': [0.3, 1, 3], HARPG: [0.001, 0.003, 0.01], 'N-HARPG': [0.3, 1, 3], 'policy gradient': [0.01, 0.03, 0.1] }, // biome-ignore format: one line
  acrobot: { 'N-PG-IGT': [0.3, 1, 3], HARPG: [0.0003, 0.001, 0.003], 'N-HARPG': [0.3, 1, 3], 'policy gradient': [0.001, 0.003, 0.01] }, // biome-ignore format: one line
};
export const methods = /** @type {Method[]} */ (Object.keys(rates.cartpole));

/** θ ← θ + γ₀ (2 / (t + 2))^(2/3) g, as the authors' program has it. */
class PolicyGradient {
  #t = 0;
  /** @param {readonly Tensor[]} params @param {{ stepSize: number }} options */
  constructor(params, { stepSize }) {
    this.params = params;
    this.stepSize = stepSize;
    this.grads = params.map(({ device, shape }) => Tensor.zeros(device, shape));
  }
  /** @param {PolicyOracle} oracle @param {number} seed */
  async step(oracle, seed) {
    await oracle.gradient(this.params, this.grads, seed);
    const gamma = this.stepSize * (2 / (this.#t++ + 2)) ** (2 / 3);
    for (const [i, x] of this.params.entries()) ops.linearCombination(x.device, { out: [x], terms: [x, this.grads[i]], coefficients: [1, gamma] }); // biome-ignore format: one line
  }
}

/** @param {Method} method @param {readonly Tensor[]} params @param {number} stepSize @param {number} seed */
function methodOf(method, params, stepSize, seed) {
  if (method === 'N-PG-IGT') return new NPgIgt(params, { stepSize });
  if (method === 'policy gradient') return new PolicyGradient(params, { stepSize });
  return new Harpg(params, { stepSize, seed, normalized: method === 'N-HARPG' });
}

/** @param {Settings} settings */
export async function run({ size, place, method: name, rate, seed }) {
  const { samples, count, judged, points } = sizes[size];
  const environment = environments[place];
  const device = Device.open('cpu', { threads: 1 });
  const policy = new LinearSoftmaxPolicy(device, { stateDim: environment.stateDim, actions: environment.actions });
  const oracle = oracleOf(device, policy, environment, { count, seed });
  const method = methodOf(name, policy.params, rate, seed);
  /** Mean returns of episodes that are played for this alone. @type {[number, number][]} */
  const curve = [];
  const look = async (/** @type {number} */ at) => {
    const played = play(environment, await policy.params[0].read(), judged, uniform(7777 + seed));
    curve.push([at, played.reduce((sum, one) => sum + returnOf(one) / judged, 0)]);
  };
  await look(0);
  const limit = samples[place];
  for (let t = 0; oracle.samples < limit; ++t) {
    await method.step(oracle, t);
    while (curve.length <= points && oracle.samples >= (limit * curve.length) / points) await look((limit * curve.length) / points); // biome-ignore format: one line
  }
  await device.close();
  // The last fifth of the way.
  const end = curve.slice(-Math.ceil(points / 5)).map(([, value]) => value);
  return { curve, end: end.reduce((sum, value) => sum + value / end.length, 0) };
}
