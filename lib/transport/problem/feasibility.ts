import { Tensor } from '../../core/tensor.ts';
import type { ScaledPlan } from '../solvers/scaled-plan.ts';

/** Sets of rows that are looked at. */
const mostCuts = 8;
/** Rounding may make equal masses of total 1 differ by this. */
export const slack = 1e-12;
/** So large that no finite cost of f64 makes an entry 0. */
const boundlessEps = 1e307;

/** Sets of rows with mass and the largest potentials, cut where these have their widest gaps. */
export function widestCuts(potentials: Float64Array, masses: Float64Array): number[][] {
  const rows = [...potentials.keys()].filter((i) => masses[i]! > 0).sort((i, j) => potentials[j]! - potentials[i]!);
  const gap = (k: number): number => potentials[rows[k]!]! - potentials[rows[k + 1]!]!;
  const cuts = [...rows.keys()].slice(0, -1).sort((k, l) => gap(l) - gap(k));
  return cuts.slice(0, mostCuts).map((cut) => rows.slice(0, cut + 1));
}

/**
 * True if some rows have more mass than all columns that they may go to (Hall's condition, for masses): a proof that no
 * plan exists. Potentials of such rows leave the others behind without end, so the sets are cut where sorted potentials
 * have their widest gaps. A solver that has not converged has such potentials.
 */
export async function isProvenInfeasible(plan: ScaledPlan): Promise<boolean> {
  const { cost, masses, marginals, control, range } = plan.problem;
  if (range.forbidden === 0) return false;
  const potentials = await control.read(plan.absorb().rows);
  const { device } = cost;
  using f = new Tensor(device, [cost.rows], 'f64');
  using g = Tensor.zeros(device, [cost.columns], { dtype: 'f64' });
  using rowSums = new Tensor(device, [cost.rows], 'f64');
  using columnSums = new Tensor(device, [cost.columns], 'f64');
  using statistics = new Tensor(device, [4], 'f64');
  for (const ours of widestCuts(potentials, marginals.a)) {
    const indicator = new Float64Array(cost.rows).fill(-Infinity);
    for (const i of ours) indicator[i] = 0;
    f.write(indicator);
    const sums = { rows: rowSums, columns: columnSums };
    cost.planSums(control.queue, masses, { rows: f, columns: g }, boundlessEps, sums, statistics);
    const reached = await control.read(columnSums);
    const need = ours.reduce((sum, i) => sum + marginals.a[i]!, 0);
    const room = reached.reduce((sum, count, j) => (count > 0 ? sum + marginals.b[j]! : sum), 0);
    if (need > room + slack) return true;
  }
  return false;
}
