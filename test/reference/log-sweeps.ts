import { columnSumsOf, distance, logSumOfExps, planOf, type Side } from './transport.ts';

/** Sweeps on f and g in place; the error of the columns before the last update of g. */
export function logSweeps(
  cost: Float64Array,
  masses: Side,
  f: Float64Array,
  g: Float64Array,
  eps: number,
  sweeps: number,
): number {
  const [n, m] = [f.length, g.length];
  const updated = (mass: number, old: number, logSum: number): number =>
    mass === 0 ? -Infinity : Number.isFinite(logSum) ? eps * (Math.log(mass) - logSum) : old;
  let error = 0;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let i = 0; i < n; i++)
      f[i] = updated(
        masses.rows[i]!,
        f[i]!,
        logSumOfExps(m, (j) => (g[j]! - cost[i * m + j]!) / eps),
      );
    error = distance(masses.columns, columnSumsOf(planOf(cost, f, g, eps), n, m));
    for (let j = 0; j < m; j++)
      g[j] = updated(
        masses.columns[j]!,
        g[j]!,
        logSumOfExps(n, (i) => (f[i]! - cost[i * m + j]!) / eps),
      );
  }
  return error;
}
