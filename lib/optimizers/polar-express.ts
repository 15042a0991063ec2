import { refusal } from '../core/errors.ts';
import { type Given, portion, positive, readOptions, type Schema, whole, word } from '../core/schema.ts';
import { firstOutOfRange, type Triple } from './coefficients.ts';

/** Options of {@link polarExpress}; all may be left out. */
export interface PolarExpressOptions {
  /** The smallest singular value, of a largest one of 1, that is to arrive near 1; in (0, 1]. Default 1e-3. */
  lower: number;
  /** Number of steps, 1 to 100. Default 5. */
  steps: number;
  /**
   * Each step is made for singular values from this share of the largest on, where `lower` is below it: a gentler
   * polynomial, whose values stay away from 0; in [0, 1]. Default 0.02407327424182761.
   */
  cushion: number;
  /** Steps are those for x/s in place of x, so that singular values up to s stay in range; 1 to 2. Default 1.05. */
  safety: number;
  /**
   * `all`: every step of the finished list has the safety factor, as in `polar-express` · `recurrence`: a step has it
   * before the next one is made, the last has none, as in `polar-express-kj`. Default `all`.
   */
  safetyIn: 'all' | 'recurrence';
}

const schema: Schema<PolarExpressOptions> = {
  lower: positive(1e-3, 1),
  steps: whole(5, 1, 100),
  cushion: portion(0.02407327424182761),
  safety: {
    default: 1.05,
    wrong: (x) => (typeof x === 'number' && x >= 1 && x <= 2 ? undefined : 'must be in [1, 2]'),
  },
  safetyIn: word(['all', 'recurrence'], 'all'),
};

const at = ([a, b, c]: Triple, x: number): number => x * (a + x * x * (b + x * x * c));
const divided = ([a, b, c]: Triple, s: number): Triple => [a / s, b / s ** 3, c / s ** 5];

/** The solution of a system of four equations, each with its right-hand side behind it. */
function solved(rows: number[][]): number[] {
  const n = rows.length;
  for (let i = 0; i < n; ++i) {
    const largest = rows.slice(i).reduce((a, b) => (Math.abs(b[i]!) > Math.abs(a[i]!) ? b : a));
    const place = rows.indexOf(largest);
    [rows[i], rows[place]] = [rows[place]!, rows[i]!];
    for (const row of rows.slice(i + 1)) {
      const factor = row[i]! / largest[i]!;
      for (let k = i; k <= n; ++k) row[k]! -= factor * largest[k]!;
    }
  }
  const x: number[] = [];
  for (let i = n - 1; i >= 0; --i) {
    const row = rows[i]!;
    const known = x.reduce((sum, value, k) => sum + value * row[i + 1 + k]!, 0);
    x.unshift((row[n]! - known) / row[i]!);
  }
  return x;
}

/** The odd polynomial of degree 5 that is nearest to 1 on [l, u], by Remez' exchange of the two inner extrema. */
function nearestToOne(l: number, u: number): Triple {
  if (l / u >= 1 - 5e-6) return divided([15 / 8, -10 / 8, 3 / 8], u);
  let [q, r] = [(3 * l + u) / 4, (l + 3 * u) / 4];
  let [before, triple] = [Number.NaN, [0, 0, 0] as Triple];
  for (let round = 0; round < 100; ++round) {
    const row = (x: number, sign: number): number[] => [x, x ** 3, x ** 5, sign, 1];
    const [a, b, c, error] = solved([row(l, 1), row(q, -1), row(r, 1), row(u, -1)]) as [number, number, number, number];
    triple = [a, b, c];
    if (Math.abs(error - before) <= 1e-15) break;
    before = error;
    const root = Math.sqrt(9 * b * b - 20 * a * c);
    [q, r] = [Math.sqrt((-3 * b - root) / (10 * c)), Math.sqrt((-3 * b + root) / (10 * c))];
  }
  return triple;
}

/** The steps, whether they are safe or not. */
export function polarExpressSteps({ lower, steps, cushion, safety, safetyIn }: PolarExpressOptions): Triple[] {
  const all: Triple[] = [];
  let [l, u] = [lower, 1];
  for (let i = 0; i < steps; ++i) {
    const least = Math.max(l, cushion * u);
    let step = nearestToOne(least, u);
    if (cushion * u > l) {
      const middle = 2 / (at(step, l) + at(step, u));
      step = [step[0] * middle, step[1] * middle, step[2] * middle];
    }
    if (safetyIn === 'recurrence' && i + 1 < steps) step = divided(step, safety);
    all.push(step);
    const reached = at(step, l);
    u = 2 - reached;
    l = Math.min(reached, u);
  }
  return safetyIn === 'all' ? all.map((step) => divided(step, safety)) : all;
}

/**
 * Coefficients of Newton–Schulz by Polar Express (Amsel et al. 2025): each step is the polynomial that brings all
 * singular values of the range that is left nearest to 1. For the option `coefficients`; `nsSteps` may be left out.
 *
 * @example
 * const optimizer = new Muon(weights, { coefficients: polarExpress({ lower: 1e-4, steps: 6 }) });
 * @throws ERR_ARGUMENT for options out of range, and for steps that turn the sign of a singular value up to 1.01, or
 * bring one above 1.6: rounding in 16 bits puts that of a matrix of rank 1 above 1, where steps without safety diverge
 */
export function polarExpress(options: Given<PolarExpressOptions> = {}): Triple[] {
  const where = 'polarExpress';
  const steps = polarExpressSteps(readOptions(where, options, schema));
  const found = firstOutOfRange({ coefficients: steps.flat(), normScale: 1, eps: 0 });
  if (!found) return steps;
  const got = `${found.value.toPrecision(4)} for ${found.sigma}`;
  throw found.sigma > 1
    ? refusal(where, 'safety', 'keep singular values up to 1.01, which rounding makes, in (0, 1.6)', got)
    : refusal(where, 'steps', 'be so many that singular values come into (0, 1.6)', got);
}
