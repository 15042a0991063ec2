import { splitmix } from './splitmix.ts';

/** A transport problem with costs of a known range. */
export interface RandomProblem {
  readonly n: number;
  readonly m: number;
  /** `[n, m]`, row by row. */
  readonly cost: Float64Array;
  readonly a: Float64Array;
  readonly b: Float64Array;
  /** The range of the costs; 1 where they are all the same. */
  readonly range: number;
  /** 1e-1 to 1e-5 of the range. */
  readonly eps: number;
}

const skewed = [
  [2, 50],
  [50, 2],
  [1000, 5],
  [5, 1000],
] as const;

/**
 * The problem of a seed: 1 × 1 to 40 × 40 or of a skewed shape; costs that are uniform, of five values, squared distances in
 * the plane, or mostly small; masses that are equal, uniform, or of many sizes. scripts/golden/transport_lp.py draws the same.
 */
export function randomProblem(seed: number): RandomProblem {
  const next = splitmix(seed);
  const whole = (below: number) => Math.floor(below * next());
  const size = [1 + whole(40), 1 + whole(40)] as const;
  const [n, m] = skewed[whole(20)] ?? size;
  const kind = whole(4);
  const cost =
    kind === 2 ? planeCosts(n, m, next) : Float64Array.from({ length: n * m }, kind === 1 ? () => whole(5) : next);
  if (kind === 3) for (const [k, x] of cost.entries()) cost[k] = x ** 3;
  const power = [0, 1, 4][whole(3)]!;
  const masses = (length: number) => {
    const weights = Float64Array.from({ length }, () => (next() + 1e-3) ** power);
    const total = weights.reduce((x, y) => x + y, 0);
    return weights.map((x) => x / total);
  };
  const [a, b] = [masses(n), masses(m)];
  const range = cost.reduce((x, y) => Math.max(x, y)) - cost.reduce((x, y) => Math.min(x, y)) || 1;
  return { n, m, cost, a, b, range, eps: range * 10 ** -(1 + 4 * next()) };
}

/**
 * The problem of a seed with at most four rows and columns: costs that are uniform or of three values, and the masses of a
 * plan with entries of four decades along a path, so that small ones are differences of larger masses; eps from 1e-3 to
 * 1e-6 of the range.
 */
export function smallProblem(seed: number): RandomProblem {
  const next = splitmix(seed);
  const [n, m] = [1 + Math.floor(4 * next()), 1 + Math.floor(4 * next())];
  const cost = Float64Array.from({ length: n * m }, next() < 0.5 ? () => Math.floor(3 * next()) : next);
  const [a, b] = [new Float64Array(n), new Float64Array(m)];
  for (let [i, j] = [0, 0]; i < n && j < m; ) {
    const entry = 10 ** (-4 * next());
    a[i]! += entry;
    b[j]! += entry;
    if (j === m - 1 || (i < n - 1 && next() < 0.5)) i += 1;
    else j += 1;
  }
  for (const masses of [a, b]) {
    const total = masses.reduce((x, y) => x + y, 0);
    for (const [k, mass] of masses.entries()) masses[k] = mass / total;
  }
  const range = cost.reduce((x, y) => Math.max(x, y)) - cost.reduce((x, y) => Math.min(x, y)) || 1;
  return { n, m, cost, a, b, range, eps: range * 10 ** -(3 + 3 * next()) };
}

/** An assignment of 40 to 40, each to a partner that costs nothing, among uniform costs. */
export function assignment(): Float64Array {
  const next = splitmix(3);
  const cost = Float64Array.from({ length: 40 * 40 }, next);
  for (let i = 0; i < 40; i++) cost[40 * i + ((7 * i) % 40)] = 0;
  return cost;
}

function planeCosts(n: number, m: number, next: () => number): Float64Array {
  const points = Float64Array.from({ length: 2 * (n + m) }, next);
  return Float64Array.from({ length: n * m }, (_, at) => {
    const [i, j] = [2 * Math.floor(at / m), 2 * (n + (at % m))];
    return (points[i]! - points[j]!) ** 2 + (points[i + 1]! - points[j + 1]!) ** 2;
  });
}
