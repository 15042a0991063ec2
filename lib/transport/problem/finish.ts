import { allOrNone } from '../../core/all-or-none.ts';
import type { Lane } from '../../core/lane.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Gauge, Potentials } from '../options.ts';
import type { Control } from '../solvers/control.ts';
import { totalsOf } from '../solvers/streaming.ts';
import type { Cost, Costs, Pair } from './cost.ts';
import type { Marginals } from './marginals.ts';
import { balanced, type Penalties } from './penalties.ts';
import { sumOf } from './sums.ts';

/** A plan of total mass 1, measured by its potentials as the caller will have them. */
export interface Measured {
  f: Tensor;
  g: Tensor;
  value: number;
  linear: number;
  /** Σ |P 1 − a| + Σ |Pᵀ 1 − b|, in the caller's masses. */
  marginalError: number;
  /** f·a + g·b − eps (Σ P − Σ a): of second order in the potentials' errors, where `value` is of first. */
  dual: number;
  /** dvalue/deps. */
  entropy: number;
}

/** The mean of the potentials of masses that are not 0. */
function meanOf(potentials: Float64Array, masses: Float64Array): number {
  let sum = 0;
  let count = 0;
  for (const [i, mass] of masses.entries()) if (mass > 0) [sum, count] = [sum + potentials[i]!, count + 1];
  return sum / count;
}

/** Σ of potentials times sums; a potential of −infinity has no mass. */
function weighted(potentials: Float64Array, sums: Float64Array): number {
  let sum = 0;
  for (const [i, x] of sums.entries()) if (x !== 0) sum += potentials[i]! * x;
  return sum;
}

const rounded = (x: Float64Array, dtype: 'f32' | 'f64'): Float64Array =>
  dtype === 'f32' ? Float64Array.from(Float32Array.from(x)) : x;

/** Potentials as the caller will have them; and the same for total mass 1, whose sums compare with those masses. */
interface Returned {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
  readonly own: Pair;
}

/** The shift that the potentials of the columns lose, and those of the rows gain. */
function shiftOf(f: Float64Array, g: Float64Array, { a, b }: Marginals, gauge: Gauge, share: number): number {
  return gauge === 'last' ? g[b.findLastIndex((mass) => mass > 0)]! + share : (meanOf(g, b) - meanOf(f, a)) / 2;
}

/** Potentials in their gauge, where a shift between them changes nothing, rounded to the cost's dtype. */
async function returned(
  costs: Costs,
  marginals: Marginals,
  potentials: Pair,
  eps: number,
  penalties: Penalties,
  control: Control,
  gauge: Gauge,
): Promise<Returned> {
  const { device, dtype } = costs;
  const [f, g] = await Promise.all([control.read(potentials.rows), control.read(potentials.columns)]);
  const isFree = penalties.rows === Infinity && penalties.columns === Infinity;
  const share = (eps * Math.log(marginals.mass)) / 2;
  const shift = isFree ? shiftOf(f, g, marginals, gauge, share) : 0;
  const put = (potential: Float64Array, masses: Float64Array, by: number) =>
    rounded(
      potential.map((x, i) => (masses[i] === 0 ? -Infinity : x + by)),
      dtype,
    );
  const rows = put(f, marginals.a, shift + share);
  const columns = put(g, marginals.b, share - shift);
  // Not but for rounding.
  if (isFree && gauge === 'last') columns[marginals.b.findLastIndex((mass) => mass > 0)] = 0;
  const tensor = (x: Float64Array) =>
    Tensor.from(
      device,
      x.map((y) => y - share),
      [x.length],
    );
  const [ownRows, ownColumns] = allOrNone(
    () => tensor(rows),
    () => tensor(columns),
  );
  return { rows, columns, own: { rows: ownRows, columns: ownColumns } };
}

interface Sums {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
  readonly linear: number;
  readonly marginalError: number;
}

async function sumsOfMatrix(cost: Cost, masses: Pair, own: Pair, eps: number, control: Control): Promise<Sums> {
  const { device } = cost;
  using rowSums = new Tensor(device, [cost.rows], 'f64');
  using columnSums = new Tensor(device, [cost.columns], 'f64');
  using statistics = new Tensor(device, [4], 'f64');
  cost.planSums(control.queue, masses, own, eps, { rows: rowSums, columns: columnSums }, statistics);
  const [sums, rows, columns] = await Promise.all([
    control.read(statistics),
    control.read(rowSums),
    control.read(columnSums),
  ]);
  const [linear, , rowError, columnError] = sums;
  return { rows, columns, linear: linear!, marginalError: rowError! + columnError! };
}

function measuredOf(
  costs: Costs,
  marginals: Marginals,
  { rows, columns }: Returned,
  sums: Sums,
  eps: number,
): Measured {
  const { device, dtype } = costs;
  const array = dtype === 'f32' ? Float32Array : Float64Array;
  const { mass } = marginals;
  const value = mass * (weighted(rows, sums.rows) + weighted(columns, sums.columns));
  const [f, g] = allOrNone(
    () => Tensor.from(device, array.from(rows), [costs.rows]),
    () => Tensor.from(device, array.from(columns), [costs.columns]),
  );
  return {
    f,
    g,
    value,
    linear: mass * sums.linear,
    marginalError: mass * sums.marginalError,
    dual: mass * (weighted(rows, marginals.a) + weighted(columns, marginals.b) - eps * (sumOf(sums.rows) - 1)),
    entropy: (value - mass * sums.linear) / eps,
  };
}

/** The potentials of total mass 1 as those of the caller's masses; and what the plan of exactly these numbers is. */
export async function measure(
  cost: Cost,
  masses: Pair,
  marginals: Marginals,
  potentials: Pair,
  eps: number,
  control: Control,
  gauge: Gauge,
): Promise<Measured> {
  const result = await returned(cost, marginals, potentials, eps, balanced, control, gauge);
  using _rows = result.own.rows;
  using _columns = result.own.columns;
  const sums = await sumsOfMatrix(cost, masses, result.own, eps, control);
  return measuredOf(cost, marginals, result, sums, eps);
}

/** f·a + g·b − eps (Σ P − Σ a) at any potentials: at most the value of the problem. */
export async function dualAt(
  costs: Costs,
  { a, b, mass }: Marginals,
  { f, g }: Potentials,
  eps: number,
  lane: Lane,
): Promise<number> {
  using rows = f.cast('f64');
  using columns = g.cast('f64');
  const [ofRows, ofColumns] = await Promise.all([lane.read(rows), lane.read(columns)]);
  const totals = await totalsOf(costs, { rows, columns }, eps, lane);
  return mass * (weighted(ofRows, a) + weighted(ofColumns, b)) - eps * (sumOf(totals.rows) - mass);
}

/** rho KL(p | q), with KL = Σ p ln(p / q) − p + q; 0 where p must be q. */
function divergence(rho: number, p: Float64Array, q: Float64Array): number {
  if (rho === Infinity) return 0;
  let sum = 0;
  for (const [i, x] of p.entries()) sum += (x > 0 ? x * Math.log(x / q[i]!) : 0) - x + q[i]!;
  return rho * sum;
}

/** The same without a matrix, with penalties for marginals that differ. */
export async function measureStreaming(
  costs: Costs,
  marginals: Marginals,
  potentials: Pair,
  eps: number,
  penalties: Penalties,
  control: Control,
  gauge: Gauge,
): Promise<Measured> {
  const result = await returned(costs, marginals, potentials, eps, penalties, control, gauge);
  using _rows = result.own.rows;
  using _columns = result.own.columns;
  const totals = await totalsOf(costs, result.own, eps, control);
  const errorOf = (sums: Float64Array, masses: Float64Array, potential: Float64Array, rho: number) =>
    sums.reduce((error, sum, i) => {
      const target = masses[i] === 0 || rho === Infinity ? masses[i]! : masses[i]! * Math.exp(-potential[i]! / rho);
      return error + Math.abs(sum - target);
    }, 0);
  const marginalError =
    errorOf(totals.rows, marginals.a, result.rows, penalties.rows) +
    errorOf(totals.columns, marginals.b, result.columns, penalties.columns);
  const measured = measuredOf(costs, marginals, result, { ...totals, marginalError }, eps);
  if (penalties.rows === Infinity && penalties.columns === Infinity) return measured;
  measured.value +=
    divergence(penalties.rows, totals.rows, marginals.a) +
    divergence(penalties.columns, totals.columns, marginals.b) -
    eps * sumOf(totals.rows);
  measured.entropy -= sumOf(totals.rows);
  return measured;
}
