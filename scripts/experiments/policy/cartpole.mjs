// A pole on a cart that is pushed left or right with each step, as Barto, Sutton and Anderson have it, in the numbers of Gym.

/** @typedef {{ name: string, stateDim: number, actions: number, most: number, reset(random: () => number): number[], features(state: readonly number[]): number[], step(state: number[], action: number): { reward: number, isOver: boolean } }} Environment `step` changes the state */

const [gravity, pole, total, half, force, tau] = [9.8, 0.1, 1.1, 0.5, 10, 0.02];

/** @type {Environment} */
export const cartpole = {
  name: 'CartPole',
  stateDim: 5,
  actions: 2,
  most: 200,
  reset: (random) => Array.from({ length: 4 }, () => 0.1 * random() - 0.05),
  // Each about as large as 1 where the pole falls.
  features: ([x, speed, angle, turn]) => [x / 2.4, speed / 2, angle / 0.2, turn / 2, 1],
  step(state, action) {
    const [, speed, angle, turn] = state;
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
    const pushed = ((action === 1 ? force : -force) + pole * half * turn ** 2 * sin) / total;
    const turning = (gravity * sin - cos * pushed) / (half * (4 / 3 - (pole * cos ** 2) / total));
    const moving = pushed - (pole * half * turning * cos) / total;
    state[0] += tau * speed;
    state[1] += tau * moving;
    state[2] += tau * turn;
    state[3] += tau * turning;
    return { reward: 1, isOver: Math.abs(state[0]) > 2.4 || Math.abs(state[2]) > (12 * Math.PI) / 180 };
  },
};
