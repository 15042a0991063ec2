import { Tensor } from '../tensor.ts';
import type { Control } from './control.ts';
import type { Cost, Pair } from './cost.ts';
import type { Marginals } from './marginals.ts';

/** A plan of total mass 1, measured by its potentials as the caller will have them. */
export interface Measured {
  f: Tensor;
  g: Tensor;
  value: number;
  linear: number;
  /** Σ |P 1 − a| + Σ |Pᵀ 1 − b|, in the caller's masses. */
  marginalError: number;
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

/**
 * The potentials of total mass 1 as those of the caller's masses, of equal means and rounded to the cost's dtype; and what
 * the plan of exactly these numbers is.
 */
export async function measure(
  cost: Cost,
  masses: Pair,
  marginals: Marginals,
  potentials: Pair,
  eps: number,
  control: Control,
): Promise<Measured> {
  const { device, dtype } = cost;
  const [f, g] = await Promise.all([control.read(potentials.rows), control.read(potentials.columns)]);
  const shift = (meanOf(g, marginals.b) - meanOf(f, marginals.a)) / 2;
  const share = (eps * Math.log(marginals.mass)) / 2;
  const rows = rounded(
    f.map((x) => x + shift + share),
    dtype,
  );
  const columns = rounded(
    g.map((x) => x - shift + share),
    dtype,
  );
  // Of total mass 1 again, so that sums compare with these masses.
  using ownRows = Tensor.from(
    device,
    rows.map((x) => x - share),
    [cost.rows],
  );
  using ownColumns = Tensor.from(
    device,
    columns.map((x) => x - share),
    [cost.columns],
  );
  using rowSums = new Tensor(device, [cost.rows], 'f64');
  using columnSums = new Tensor(device, [cost.columns], 'f64');
  using statistics = new Tensor(device, [4], 'f64');
  cost.planSums(
    masses,
    { rows: ownRows, columns: ownColumns },
    eps,
    { rows: rowSums, columns: columnSums },
    statistics,
  );
  const [sums, rowTotals, columnTotals] = await Promise.all([
    control.read(statistics),
    control.read(rowSums),
    control.read(columnSums),
  ]);
  const [linear, , rowError, columnError] = sums;
  const array = dtype === 'f32' ? Float32Array : Float64Array;
  return {
    f: Tensor.from(device, array.from(rows), [cost.rows]),
    g: Tensor.from(device, array.from(columns), [cost.columns]),
    value: marginals.mass * (weighted(rows, rowTotals) + weighted(columns, columnTotals)),
    linear: marginals.mass * linear!,
    marginalError: marginals.mass * (rowError! + columnError!),
  };
}
