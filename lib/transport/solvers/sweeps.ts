import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Sweeps in the log domain that make every row and column of the kernel representable. */
export const preparingSweeps = 2;

/** Sweeps after which the rest is predicted, and how many of them that is measured by. */
const probe = { before: 7, by: 4 } as const;
/** All of them. */
export const probeSweeps: number = preparingSweeps + probe.before + probe.by;

/** The end of sweeps. */
export const ended = (error: number, tol: number): SolverEnd => (error <= tol ? 'converged' : 'max-iterations');

/** Sweeps that make the kernel, and then sweep on it. */
async function prepare(plan: ScaledPlan): Promise<number> {
  const { control } = plan;
  await plan.kernelSweeps(Math.min(preparingSweeps, control.sweepsLeft));
  const error = await plan.logError();
  control.reportError(plan.eps, error);
  return error;
}

/**
 * Sinkhorn's iteration on the kernel until the error is at most `tol`, or sweeps run out, or so many of them are done;
 * where the kernel does not carry the plan, in the log domain. Returns the error.
 */
export async function sweepOn(
  plan: ScaledPlan,
  tol: number,
  start: number,
  maxSweeps: number = Infinity,
): Promise<number> {
  const { control } = plan;
  const first = control.iterations.sweeps;
  const left = () => Math.min(control.sweepsLeft, first + maxSweeps - control.iterations.sweeps);
  let error = start;
  while (error > tol && left() > 0) {
    const swept = await plan.scalingSweeps(Math.min(plan.sweepsAtOnce, left()), tol);
    if (swept.done > 0) error = swept.error;
    if (swept.failed && left() > 0) {
      await plan.kernelSweeps(Math.min(10, plan.sweepsAtOnce, left()));
      error = await plan.logError();
    }
    control.reportError(plan.eps, error);
  }
  return error;
}

/** The same from wherever the plan stands. */
export async function sweepUntil(plan: ScaledPlan, tol: number): Promise<number> {
  return sweepOn(plan, tol, await prepare(plan));
}

/** A forecast from the first sweeps. */
interface Outlook {
  /** L1 error of the marginals. */
  readonly error: number;
  /** Number of further sweeps that the tolerance would take. */
  readonly sweeps: number;
}

/** Some sweeps, and how many more to `tol` at the rate of the last; the factor of the error soon hardly changes. */
export async function predictSweeps(plan: ScaledPlan, tol: number): Promise<Outlook> {
  const start = await prepare(plan);
  if (start <= tol) return { error: start, sweeps: 0 };
  const first = await plan.scalingSweeps(probe.before, tol);
  if (first.failed) return { error: Infinity, sweeps: Infinity };
  if (first.error <= tol) return { error: first.error, sweeps: 0 };
  const { failed, error } = await plan.scalingSweeps(probe.by, tol);
  if (failed) return { error: Infinity, sweeps: Infinity };
  plan.control.reportError(plan.eps, error);
  if (error <= tol) return { error, sweeps: 0 };
  const rate = Math.log(error / first.error) / probe.by;
  return { error, sweeps: rate < 0 ? Math.log(tol / error) / rate : Infinity };
}
