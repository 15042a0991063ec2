import type { ScaledPlan } from './scaled-plan.ts';

/** Sweeps in the log domain that make every row and column of the kernel representable. */
const preparingSweeps = 3;

/**
 * Sinkhorn's iteration until the error is at most `tol`, or sweeps run out: on the kernel where it carries the plan, else in
 * the log domain. Returns the error.
 */
export async function sweepUntil(plan: ScaledPlan, tol: number): Promise<number> {
  const { control } = plan;
  let error = Infinity;
  const inLogDomain = async (count: number): Promise<void> => {
    if (control.sweepsLeft <= 0) return;
    plan.logSweeps(Math.min(count, control.sweepsLeft));
    error = await plan.logError();
    control.report(plan.eps, error);
  };
  await inLogDomain(preparingSweeps);
  while (error > tol && control.sweepsLeft > 0) {
    const swept = await plan.scalingSweeps(Math.min(plan.sweepsAtOnce, control.sweepsLeft), tol);
    if (swept.done > 0) {
      error = swept.error;
      control.report(plan.eps, error);
    }
    if (swept.failed) await inLogDomain(Math.max(1, Math.min(10, plan.sweepsAtOnce)));
  }
  return error;
}
