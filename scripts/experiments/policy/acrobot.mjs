// Two links that hang down, with a motor between them, which must swing the end up: as in Sutton and Barto's book, in the numbers of Gym.

/** @import { Environment } from './cartpole.mjs' */

const gravity = 9.8;
/** Changes of the two angles and speeds: links of length and mass 1, whose centers are halfway, of inertia 1. @param {readonly number[]} s @param {number} torque */
function rates([one, two, fast1, fast2], torque) {
  const d1 = 0.25 + (1 + 0.25 + Math.cos(two)) + 2;
  const d2 = 0.25 + 0.5 * Math.cos(two) + 1;
  const phi2 = 0.5 * gravity * Math.cos(one + two - Math.PI / 2);
  const phi1 = -0.5 * fast2 ** 2 * Math.sin(two) - fast2 * fast1 * Math.sin(two) + 1.5 * gravity * Math.cos(one - Math.PI / 2) + phi2; // biome-ignore format: one line
  const turn2 = (torque + (d2 / d1) * phi1 - 0.5 * fast1 ** 2 * Math.sin(two) - phi2) / (0.25 + 1 - d2 ** 2 / d1);
  return [fast1, fast2, -(d2 * turn2 + phi1) / d1, turn2];
}

const wrapped = (/** @type {number} */ x) => x - 2 * Math.PI * Math.round(x / (2 * Math.PI));
const within = (/** @type {number} */ x, /** @type {number} */ most) => Math.max(-most, Math.min(most, x));

/** 0.2 seconds by the rule of Runge and Kutta. @param {number[]} state changed @param {number} torque */
function move(state, torque) {
  const tau = 0.2;
  const at = (/** @type {number[]} */ k, /** @type {number} */ time) => state.map((x, i) => x + time * k[i]);
  const k1 = rates(state, torque);
  const k2 = rates(at(k1, tau / 2), torque);
  const k3 = rates(at(k2, tau / 2), torque);
  const k4 = rates(at(k3, tau), torque);
  for (let i = 0; i < 4; ++i) state[i] += (tau / 6) * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
  state[0] = wrapped(state[0]);
  state[1] = wrapped(state[1]);
  state[2] = within(state[2], 4 * Math.PI);
  state[3] = within(state[3], 9 * Math.PI);
}

/** @type {Environment} */
export const acrobot = {
  name: 'Acrobot',
  stateDim: 7,
  actions: 3,
  most: 125,
  reset: (random) => Array.from({ length: 4 }, () => 0.2 * random() - 0.1),
  features: ([one, two, fast1, fast2]) => [Math.cos(one), Math.sin(one), Math.cos(two), Math.sin(two), fast1 / Math.PI, fast2 / (2 * Math.PI), 1], // biome-ignore format: one line
  // A choice holds for 0.8 seconds, four steps of Gym's: else a policy that knows nothing hardly ever gets to the end.
  step(state, action) {
    let [reward, isOver] = [0, false];
    for (let k = 0; k < 4 && !isOver; ++k) {
      move(state, action - 1);
      isOver = -Math.cos(state[0]) - Math.cos(state[0] + state[1]) > 1;
      if (!isOver) reward -= 1;
    }
    return { reward, isOver };
  },
};
