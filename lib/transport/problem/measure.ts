import type { Dtype } from '../../core/dtypes.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Gauge } from '../options.ts';
import type { Pair, PlanSums } from './cost.ts';
import type { Marginals } from './marginals.ts';
import { isBalanced } from './penalties.ts';
import { sumOf } from './potentials.ts';
import { type Problem, pairOf } from './problem.ts';

/** A plan of total mass 1, measured by its potentials as the caller will have them. */
export interface Measured<D extends Dtype = Dtype> {
  readonly f: Tensor<D>;
  readonly g: Tensor<D>;
  /** The size of the largest potential that is finite. */
  readonly largest: number;
  readonly value: number;
  readonly linear: number;
  /** Σ |P 1 − a| + Σ |Pᵀ 1 − b|, in the caller's masses. */
  readonly marginalError: number;
  /** f·a + g·b − eps (Σ P − Σ a): of second order in the potentials' errors, where `value` is of first. */
  readonly dual: number;
  /** dvalue/deps. */
  readonly entropy: number;
}

/** A mass of 0 has none that is finite. */
const largestOf = (potentials: Float64Array): number =>
  potentials.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);

/** The mean of the potentials of masses that are not 0. */
function meanOf(potentials: Float64Array, masses: Float64Array): number {
  let sum = 0;
  let count = 0;
  for (const [i, mass] of masses.entries()) if (mass > 0) [sum, count] = [sum + potentials[i]!, count + 1];
  return sum / count;
}

/** Σ of potentials times sums; a potential of −infinity has no mass. */
export function weighted(potentials: Float64Array, sums: Float64Array): number {
  let sum = 0;
  for (const [i, x] of sums.entries()) if (x !== 0) sum += potentials[i]! * x;
  return sum;
}

const lastOf = (masses: Float64Array): number => masses.findLastIndex((mass) => mass > 0);

/** The shift that the potentials of the columns lose, and those of the rows gain. */
function shiftOf(f: Float64Array, g: Float64Array, { a, b }: Marginals, gauge: Gauge, share: number): number {
  return gauge === 'last' ? g[lastOf(b)]! + share : (meanOf(g, b) - meanOf(f, a)) / 2;
}

/** Σ |sums − masses|; of a side with a penalty, at its potential, from the masses that it should have there. */
function errorOf(sums: Float64Array, masses: Float64Array, potential: Float64Array, rho: number): number {
  return sums.reduce((error, sum, i) => {
    const target = masses[i] === 0 || rho === Infinity ? masses[i]! : masses[i]! * Math.exp(-potential[i]! / rho);
    return error + Math.abs(sum - target);
  }, 0);
}

/** rho KL(p | q), with KL = Σ p ln(p / q) − p + q; 0 where p must be q. */
function divergence(rho: number, p: Float64Array, q: Float64Array): number {
  if (rho === Infinity) return 0;
  let sum = 0;
  for (const [i, x] of p.entries()) sum += (x > 0 ? x * Math.log(x / q[i]!) : 0) - x + q[i]!;
  return rho * sum;
}

/**
 * The potentials of total mass 1 as those of the caller's masses: in their gauge, where a shift between them changes
 * nothing, rounded to the cost's dtype; and what the plan of exactly these numbers is. The call owns the tensors.
 */
export async function measure(
  { cost, marginals, settings, control, owned }: Problem,
  potentials: Pair,
  sumsOf: (potentials: Pair) => Promise<PlanSums>,
): Promise<Measured<'f32' | 'f64'>> {
  const { device, dtype } = cost;
  const { a, b, mass } = marginals;
  const { eps, penalties, gauge } = settings;
  const [f, g] = await control.readAll(potentials.rows, potentials.columns);
  const isKept = isBalanced(penalties);
  const share = (eps * Math.log(mass)) / 2;
  const shift = isKept ? shiftOf(f, g, marginals, gauge, share) : 0;
  const round = dtype === 'f32' ? Math.fround : (x: number) => x;
  const put = (potential: Float64Array, masses: Float64Array, by: number) =>
    potential.map((x, i) => (masses[i] === 0 ? -Infinity : round(x + by)));
  const rows = put(f, a, shift + share);
  const columns = put(g, b, share - shift);
  // Not but for rounding.
  if (isKept && gauge === 'last') columns[lastOf(b)] = 0;

  using scratch = new Owned();
  const own = (x: Float64Array) => x.map((y) => y - share);
  const sums = await sumsOf(pairOf(cost, [own(rows), own(columns)], scratch));
  const error =
    sums.marginalError ??
    errorOf(sums.rows, a, rows, penalties.rows) + errorOf(sums.columns, b, columns, penalties.columns);
  const total = sumOf(sums.rows);
  const value = mass * (weighted(rows, sums.rows) + weighted(columns, sums.columns));
  const entropy = (value - mass * sums.linear) / eps;
  const price = divergence(penalties.rows, sums.rows, a) + divergence(penalties.columns, sums.columns, b) - eps * total;
  const array = dtype === 'f32' ? Float32Array : Float64Array;
  const tensor = (x: Float64Array) => owned.add(Tensor.from(device, array.from(x), [x.length]));
  return {
    f: tensor(rows),
    g: tensor(columns),
    largest: Math.max(largestOf(rows), largestOf(columns)),
    value: isKept ? value : value + price,
    linear: mass * sums.linear,
    marginalError: mass * error,
    dual: mass * (weighted(rows, a) + weighted(columns, b) - eps * (total - 1)),
    entropy: isKept ? entropy : entropy - total,
  };
}
