import type { Lane } from '../../core/lane.ts';
import type { Tensor } from '../../core/tensor.ts';
import { honest, precision } from '../problem/start.ts';
import { sumOf } from '../problem/sums.ts';
import type { TransportStatus } from '../result.ts';
import { type BatchOnHost, problemOf, problemRange } from './costs.ts';
import { isOverfull, type Support } from './support.ts';

/** The status of a problem follows from these, besides its error. */
export interface BatchEnd {
  readonly op: string;
  readonly eps: number;
  readonly tol: number;
  /** L1 error that numbers cannot tell from none, for costs of the whole batch and masses of total 1. */
  readonly floor: number;
  /** Of each problem; undefined where no pair of the batch is forbidden. */
  readonly supports: readonly Support[] | undefined;
  readonly host: Omit<BatchOnHost, 'costs'>;
  readonly cost: Tensor;
  readonly f: Tensor;
  readonly lane: Lane;
}

/** Reads costs only where some problem that has not converged may be infeasible or at the end of its numbers. */
export async function statusesOf(errors: Float64Array, end: BatchEnd): Promise<TransportStatus[]> {
  const { op, eps, tol, floor, supports, lane } = end;
  const [n] = end.host.widths;
  const masses = end.host.sizes.map(([rows], k) => sumOf(end.host.a.subarray(k * n, k * n + rows)));
  const isUnclear = (k: number): boolean => supports?.[k] === 'partial' || errors[k]! <= floor * masses[k]!;
  const statuses = Array.from(errors, (error, k): TransportStatus => {
    if (error <= tol) return 'converged';
    return supports?.[k] === 'barred' ? 'infeasible' : 'max-iterations';
  });
  const unclear = [...statuses.keys()].filter((k) => statuses[k] === 'max-iterations' && isUnclear(k));
  if (unclear.length === 0) return statuses;
  const [costs, potentials] = await Promise.all([lane.read(end.cost), lane.read(end.f)]);
  for (const k of unclear) {
    const problem = problemOf({ ...end.host, costs }, k);
    const ofRows = potentials.subarray(k * n, k * n + problem.rows);
    if (supports?.[k] === 'partial' && isOverfull(problem, ofRows)) {
      statuses[k] = 'infeasible';
      continue;
    }
    const own = precision(op, { dtype: 'f64' }, problemRange(problem), eps);
    statuses[k] = honest('at-precision', errors[k]!, tol, own * masses[k]!);
  }
  return statuses;
}
