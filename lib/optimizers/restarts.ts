// Restarts of Newton–Schulz on the Gram matrix (autotune of Dao-AILab/gram-newton-schulz).
import { type CoefficientName, type Iteration, iterationOf } from './coefficients.ts';

/** More than this, and the factors of a matrix have no digits in common. */
export const worstCondition = 1e8;

/** Rounding may take so much from an eigenvalue of the Gram matrix of a matrix of norm 1. */
export const roundingOfGram = { half: 4e-4, single: 1e-7 } as const;

const conditions = new Map<string, number>();
const places = 10_000;
const singularValues = Float64Array.from({ length: places }, (_, i) => 10 ** ((-10 * i) / (places - 1)));
const few = singularValues.filter((_, i) => i % 100 === 0);

/**
 * The largest condition number of the product Q of the steps since a restart, after any step, for singular values of 1
 * to 1e-10 whose squares are too low by `rounding` at the start and at each restart: below 0, they grow without bound.
 */
export function conditionOfSteps(iteration: Iteration, restarts: readonly number[], rounding: number): number {
  const { coefficients, normScale } = iteration;
  const key = [rounding, normScale, ...restarts, '', ...coefficients].join();
  let condition = conditions.get(key);
  if (condition === undefined) {
    condition = worstConditionOf(iteration, restarts, rounding, singularValues);
    conditions.set(key, condition);
  }
  return condition;
}

/** That of some singular values, which is at most that of more; above `most` it may be any number above. */
function worstConditionOf(
  { coefficients, normScale }: Iteration,
  restarts: readonly number[],
  rounding: number,
  values: Float64Array,
  most = Number.POSITIVE_INFINITY,
): number {
  const count = values.length;
  const x = values.map((value) => value / normScale);
  const [r, q] = [x.map((value) => value * value - rounding), new Float64Array(count).fill(1)];
  let worst = 1;
  for (let i = 0; 3 * i < coefficients.length && worst <= Math.min(most, Number.MAX_VALUE); ++i) {
    const [a = 0, b = 0, c = 0] = coefficients.slice(3 * i, 3 * i + 3);
    const isRestart = restarts.includes(i);
    let [least, largest] = [Number.POSITIVE_INFINITY, 0];
    for (let k = 0; k < count; ++k) {
      if (isRestart) {
        x[k]! *= q[k]!;
        r[k] = x[k]! * x[k]! - rounding;
        q[k] = 1;
      }
      const w = a + r[k]! * (b + c * r[k]!);
      q[k]! *= w;
      r[k]! *= w * w;
      const size = Math.abs(q[k]!);
      if (Number.isNaN(size)) return Number.POSITIVE_INFINITY;
      if (size < least) least = size;
      if (size > largest) largest = size;
    }
    const condition = largest / least;
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
const keyOf = ({ normScale, coefficients }: Iteration): string => [normScale, ...coefficients].join();

/** The finds of the search for the named sets, so that their first constructor does not wait for it. */
const ofSets: Readonly<Record<CoefficientName, readonly number[]>> = {
  jordan: [3],
  you5: [2],
  'polar-express': [2],
  'polar-express-101': [1],
  'polar-express-kj': [2],
  cans: [1],
  'aol4-fns': [2],
  'deepseek-v4': [2, 4, 6],
  cubic5: [1],
};

const found = new Map<string, readonly number[]>(
  Object.entries(ofSets).map(([name, restarts]) => [keyOf(iterationOf(name as CoefficientName)), restarts]),
);

/**
 * The restarts of an iteration: one for each three of its steps, where they keep Q best conditioned in 16 bits, of
 * equal ones the first. Of more than ten steps every third, the first of them the third.
 */
export function bestRestarts(iteration: Iteration): readonly number[] {
  const key = keyOf(iteration);
  let best = found.get(key);
  if (!best) {
    best = searchedRestarts(iteration);
    found.set(key, best);
  }
  return best;
}

/**
 * {@link bestRestarts} without the table. A few singular values bound each choice from below: most are worse by these
 * alone, and a constructor waits for all values of the others only.
 */
export function searchedRestarts(iteration: Iteration): readonly number[] {
  const steps = iteration.coefficients.length / 3;
  const count = Math.floor(steps / 3);
  if (steps > longestSearch) return Array.from({ length: count }, (_, i) => 3 * i + 2);
  const { half } = roundingOfGram;
  const bounded = [...choices(count, 1, steps)].map((restarts, place) => ({
    restarts,
    place,
    bound: worstConditionOf(iteration, restarts, half, few),
  }));
  let [least, best] = [Number.POSITIVE_INFINITY, bounded[0]];
  for (const one of bounded.length > 1 ? bounded.toSorted((a, b) => a.bound - b.bound) : []) {
    if (one.bound > least) break;
    const condition = worstConditionOf(iteration, one.restarts, half, singularValues, least);
    if (condition > least || (condition === least && one.place > best!.place)) continue;
    [least, best] = [condition, one];
  }
  return best?.restarts ?? [];
}
