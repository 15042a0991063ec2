import { firstDecrease } from '../../solvers/line-search.ts';
import { type DualPoint, roundingOf, solveFullDual } from './full-dual.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Constants of the authors' program. */
const steps = [1, 0.5, 0.25, 0.1];
const leastShift = 1e-3;
const droppedShare = 0.01;

/**
 * Safe and sparse Newton (Tang and Qiu, NeurIPS 2024): the Hessian of both potentials without its small entries,
 * shifted by a multiple of the gradient's norm that follows how well the model predicts. Our thresholds are powers of
 * two, and systems are solved by conjugate gradients. The authors' constants are for costs of about 1: `unit` is the
 * size of these.
 */
export function ssns(plan: ScaledPlan, tol: number, unit: number): Promise<SolverEnd> {
  const { eps } = plan;
  return solveFullDual(plan, tol, (dual) => {
    let shift = 1;
    let sparsified: DualPoint | undefined;
    return async (here, owned) => {
      if (sparsified !== here) await dual.sparsify(here, 64 * (dual.rows + dual.columns), droppedShare * here.norm);
      sparsified = here;
      const ridge = (eps / unit) * shift * here.norm;
      const system = { shift: ridge, tol: 1e-10, factor: -1 };
      const { x: direction, along, square } = await dual.solve(here, here.gradient, system, owned);
      const bending = -eps * along - eps * ridge * square;
      const { length, point: best } = await firstDecrease(dual.along(here, direction, eps), steps);
      const promised = -length * eps * along - 0.5 * length ** 2 * bending;
      const ratio = -best.change / promised;
      const isTiny = promised < roundingOf(here, eps);
      const isBetter = isTiny ? best.error <= 0.9 * here.error : ratio > 0;
      if (isTiny && !isBetter) return undefined;
      if (!(ratio >= 0.25)) shift *= 4;
      else if (ratio > 0.75) shift = Math.max(shift / 2, leastShift);
      return isBetter ? best : here;
    };
  });
}
