import { sum } from './sums.ts';
import { columnSumsOf, distance, planOf, rowSumsOf, type Side } from './transport.ts';

/** Sums of the plan of f and g, and [⟨C, P⟩, Σ P, errors of rows and columns]. */
export function planSums(
  cost: Float64Array,
  f: Float64Array,
  g: Float64Array,
  masses: Side,
  eps: number,
): { rows: Float64Array; columns: Float64Array; statistics: number[] } {
  const plan = planOf(cost, f, g, eps);
  const rows = rowSumsOf(plan, f.length, g.length);
  const columns = columnSumsOf(plan, f.length, g.length);
  const linear = sum(plan.length, (k) => (plan[k] === 0 ? 0 : plan[k]! * cost[k]!));
  const total = sum(rows.length, (i) => rows[i]!);
  return { rows, columns, statistics: [linear, total, distance(masses.rows, rows), distance(masses.columns, columns)] };
}
