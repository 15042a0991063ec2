import type { TransportStatus } from '../options.ts';
import { sumOf } from '../problem/potentials.ts';
import { finalStatus, precision } from '../problem/problem.ts';
import { type Batch, onHost, problemRange } from './costs.ts';
import { isOverfull } from './support.ts';

/** Those of some problems that are not proven to have no plan. */
export async function feasibleOf(batch: Batch, problems: readonly number[]): Promise<number[]> {
  const { supports } = batch;
  const open = problems.filter((k) => supports?.[k] !== 'barred');
  if (!open.some((k) => supports?.[k] === 'partial')) return open;
  const problemAt = await onHost(batch);
  return open.filter((k) => supports?.[k] !== 'partial' || !isOverfull(...problemAt(k)));
}

/**
 * Finds the statuses of problems of such errors. Reads costs only where one may be infeasible or at the end of its
 * numbers.
 */
export async function statusesOf(batch: Batch, errors: Float64Array): Promise<TransportStatus[]> {
  const { op, eps, tol, rounding, supports, cost, sizes, a } = batch;
  const [, n] = cost.shape as [number, number];
  const masses = sizes.map(([rows], k) => sumOf(a.subarray(k * n, k * n + rows)));
  const isUnclear = (k: number): boolean => supports?.[k] === 'partial' || errors[k]! <= rounding * masses[k]!;
  const statuses = Array.from(errors, (error, k): TransportStatus => {
    if (error <= tol) return 'converged';
    return supports?.[k] === 'barred' ? 'infeasible' : 'max-iterations';
  });
  const unclear = [...statuses.keys()].filter((k) => statuses[k] === 'max-iterations' && isUnclear(k));
  if (unclear.length === 0) return statuses;
  const problemAt = await onHost(batch);
  for (const k of unclear) {
    const [problem, ofRows] = problemAt(k);
    if (supports?.[k] === 'partial' && isOverfull(problem, ofRows)) {
      statuses[k] = 'infeasible';
      continue;
    }
    const own = precision(op, { dtype: 'f64' }, problemRange(problem), eps);
    statuses[k] = finalStatus('at-precision', errors[k]!, tol, own * masses[k]!);
  }
  return statuses;
}
