import { logSweeps } from './log-sweeps.ts';
import { columnSumsOf, distance, planOf, rowSumsOf, type Side } from './transport.ts';

/** Sweeps on one problem, f and g in place: [sweeps, L1 error, ⟨C, P⟩, Σ P (f + g)]. */
export function batchSweeps(
  cost: Float64Array,
  masses: Side,
  f: Float64Array,
  g: Float64Array,
  options: { eps: number; tol: number; maxSweeps: number },
): number[] {
  const { eps, tol, maxSweeps } = options;
  const [n, m] = [f.length, g.length];
  let done = 0;
  for (let error = Infinity; done < maxSweeps && !(error <= tol); done++) error = logSweeps(cost, masses, f, g, eps, 1);
  const plan = planOf(cost, f, g, eps);
  let [linear, dual] = [0, 0];
  for (const [k, p] of plan.entries())
    if (p > 0) [linear, dual] = [linear + p * cost[k]!, dual + p * (f[Math.floor(k / m)]! + g[k % m]!)];
  const error = distance(masses.rows, rowSumsOf(plan, n, m)) + distance(masses.columns, columnSumsOf(plan, n, m));
  return [done, error, linear, dual];
}
