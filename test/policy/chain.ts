// A process of two states and two actions, small enough to enumerate all its trajectories.
import { uniform } from '../support/data.ts';

const transitions = [
  [[0.7, 0.3], [0.2, 0.8]], // biome-ignore format: one line
  [[0.5, 0.5], [0.1, 0.9]], // biome-ignore format: one line
];
const rewards = [
  [1, 0],
  [0.5, 2],
];
const first = [0.6, 0.4];
const both = [0, 1];

export interface Trajectory {
  readonly states: readonly number[];
  readonly actions: readonly number[];
  readonly rewards: readonly number[];
  readonly probability: number;
}

/** Probabilities of the actions of each state, of logits in two rows. */
export const policyOf = (theta: ArrayLike<number>): number[][] =>
  both.map((s) => {
    const [a, b] = [Math.exp(theta[2 * s]!), Math.exp(theta[2 * s + 1]!)];
    return [a / (a + b), b / (a + b)];
  });

/** All trajectories of so many steps. */
export function trajectoriesOf(steps: number, policy: readonly (readonly number[])[]): Trajectory[] {
  let all: (Trajectory & { state: number })[] = both.map((state) => ({
    ...{ states: [], actions: [], rewards: [], state },
    probability: first[state]!,
  }));
  for (let t = 0; t < steps; ++t)
    all = all.flatMap(({ state, probability, ...rest }) =>
      both.flatMap((action) =>
        both.map((next) => ({
          states: [...rest.states, state],
          actions: [...rest.actions, action],
          rewards: [...rest.rewards, rewards[state]![action]!],
          state: next,
          probability: probability * policy[state]![action]! * transitions[state]![action]![next]!,
        })),
      ),
    );
  // The last state, whose reward nobody gets, is summed over.
  const merged = new Map<string, Trajectory>();
  for (const { state: _, ...one } of all) {
    const key = `${one.states}|${one.actions}`;
    merged.set(key, { ...one, probability: (merged.get(key)?.probability ?? 0) + one.probability });
  }
  return [...merged.values()];
}

/** The discounted reward that is expected in so many steps. */
export function objective(theta: ArrayLike<number>, steps: number, discount: number): number {
  const policy = policyOf(theta);
  let values = [0, 0];
  for (let t = 0; t < steps; ++t)
    values = both.map((s) =>
      both.reduce((sum, a) => {
        const next = both.reduce((total, to) => total + transitions[s]![a]![to]! * values[to]!, 0);
        return sum + policy[s]![a]! * (rewards[s]![a]! + discount * next);
      }, 0),
    );
  return first[0]! * values[0]! + first[1]! * values[1]!;
}

/** Trajectories that are played by a policy. */
export function played(count: number, steps: number, theta: ArrayLike<number>, seed: number): Trajectory[] {
  const [draw, policy] = [uniform(seed), policyOf(theta)];
  return Array.from({ length: count }, () => {
    let state = draw() < first[0]! ? 0 : 1;
    const [states, actions, gained]: [number[], number[], number[]] = [[], [], []];
    for (let t = 0; t < steps; ++t) {
      const action = draw() < policy[state]![0]! ? 0 : 1;
      states.push(state);
      actions.push(action);
      gained.push(rewards[state]![action]!);
      state = draw() < transitions[state]![action]![0]! ? 0 : 1;
    }
    return { states, actions, rewards: gained, probability: 1 };
  });
}
