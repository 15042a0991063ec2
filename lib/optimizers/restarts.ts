// Restarts of Newton–Schulz on the Gram matrix (autotune of Dao-AILab/gram-newton-schulz).
import type { Iteration } from './coefficients.ts';

/** More than this, and the factors of a matrix have no digits in common. */
export const worstCondition = 1e8;

/** Rounding may take so much from an eigenvalue of the Gram matrix of a matrix of norm 1. */
export const roundingOfGram = { half: 4e-4, single: 1e-7 } as const;

const conditions = new Map<string, number>();
const places = 10_000;
const singularValues = Float64Array.from({ length: places }, (_, i) => 10 ** ((-10 * i) / (places - 1)));

/**
 * The largest condition number of the product Q of the steps since a restart, after any step, for singular values of 1
 * to 1e-10 whose squares are too low by `rounding` at the start and at each restart: below 0, they grow without bound.
 */
export function conditionOfSteps(iteration: Iteration, restarts: readonly number[], rounding: number): number {
  const { coefficients, normScale } = iteration;
  const key = [rounding, normScale, ...restarts, '', ...coefficients].join();
  let condition = conditions.get(key);
  if (condition === undefined) {
    condition = worstConditionOf(iteration, restarts, rounding);
    conditions.set(key, condition);
  }
  return condition;
}

function worstConditionOf(
  { coefficients, normScale }: Iteration,
  restarts: readonly number[],
  rounding: number,
): number {
  const x = singularValues.map((value) => value / normScale);
  const [r, q] = [x.map((value) => value * value - rounding), new Float64Array(places).fill(1)];
  let worst = 1;
  for (let i = 0; 3 * i < coefficients.length; ++i) {
    const [a = 0, b = 0, c = 0] = coefficients.slice(3 * i, 3 * i + 3);
    const isRestart = restarts.includes(i);
    let [least, most] = [Number.POSITIVE_INFINITY, 0];
    for (let k = 0; k < places; ++k) {
      if (isRestart) {
        x[k]! *= q[k]!;
        r[k] = x[k]! * x[k]! - rounding;
        q[k] = 1;
      }
      const w = a + r[k]! * (b + c * r[k]!);
      q[k]! *= w;
      r[k]! *= w * w;
      const size = Math.abs(q[k]!);
      if (!(size >= least)) least = size;
      if (!(size <= most)) most = size;
    }
    const condition = most / least;
    if (!(condition <= worst)) worst = Number.isNaN(condition) ? Number.POSITIVE_INFINITY : condition;
  }
  return worst;
}

/** All rising lists of so many whole numbers in [first, end). */
function* choices(count: number, first: number, end: number): Generator<number[]> {
  if (count === 0) yield [];
  else for (let i = first; i < end; ++i) for (const rest of choices(count - 1, i + 1, end)) yield [i, ...rest];
}

const longestSearch = 10; // steps, of which 3 are chosen
const found = new Map<string, readonly number[]>();

/**
 * The restarts of an iteration: one for each three of its steps, where they keep Q best conditioned in 16 bits. Of more
 * than ten steps every third, the first of them the third.
 */
export function bestRestarts(iteration: Iteration): readonly number[] {
  const { coefficients, normScale } = iteration;
  const steps = coefficients.length / 3;
  const count = Math.floor(steps / 3);
  if (steps > longestSearch) return Array.from({ length: count }, (_, i) => 3 * i + 2);
  const key = [normScale, ...coefficients].join();
  let best = found.get(key);
  if (!best) {
    let least = Number.POSITIVE_INFINITY;
    for (const restarts of choices(count, 1, steps)) {
      const condition = worstConditionOf(iteration, restarts, roundingOfGram.half);
      if (best && condition >= least) continue;
      [least, best] = [condition, restarts];
    }
    best ??= [];
    found.set(key, best);
  }
  return best;
}
