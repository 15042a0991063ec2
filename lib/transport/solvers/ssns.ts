import { firstDecrease } from '../../solvers/line-search.ts';
import { dot, FullDual, roundingOf } from './full-dual.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Constants of the authors' program. */
const steps = [1, 0.5, 0.25, 0.1];
const leastShift = 1e-3;
const droppedShare = 0.01;

/**
 * Safe and sparse Newton (Tang and Qiu, NeurIPS 2024): the Hessian of both potentials without its small entries, shifted by a
 * multiple of the gradient's norm that follows how well the model predicts. Our thresholds are powers of two, and systems are
 * solved by conjugate gradients. The authors' constants are for costs of about 1: `unit` is the size of these.
 */
export async function ssns(
  plan: ScaledPlan,
  a: Float64Array,
  b: Float64Array,
  tol: number,
  unit: number,
): Promise<SolverEnd> {
  const dual = new FullDual(plan, a, b);
  const { control, eps } = plan;
  let point = await dual.start();
  let here = await dual.evaluate(point);
  let shift = 1;
  try {
    for (;;) {
      control.report(eps, here.error);
      if (here.error <= tol) return 'converged';
      if (control.newtonLeft <= 0) return 'max-iterations';
      const norm = Math.sqrt(dot(here.gradient, here.gradient));
      const part = await dual.sparsify(point, 64 * (dual.rows + dual.columns), droppedShare * norm);
      using _columns = part.columns;
      using _values = part.values;
      for (let isNew = false; !isNew; ) {
        if (control.newtonLeft <= 0) return 'max-iterations';
        control.iterations.newton += 1;
        const ridge = (eps / unit) * shift * norm;
        const descent = here.gradient.map((x) => -x);
        const direction = await dual.solve(part, here.sums, ridge, descent, 1e-10);
        const slope = eps * dot(descent, direction);
        const bending = slope - eps * ridge * dot(direction, direction);
        const { length, point: best } = await firstDecrease(dual.along(point, here, direction, eps), steps);
        const promised = length * slope - 0.5 * length ** 2 * bending;
        const ratio = -best.change / promised;
        const isTiny = promised < roundingOf(here, eps);
        if (isTiny ? best.dual.error <= 0.9 * here.error : ratio > 0) {
          [point, here] = [best.at, best.dual];
          isNew = true;
        } else if (isTiny) {
          return 'at-precision';
        }
        if (!(ratio >= 0.25)) shift *= 4;
        else if (ratio > 0.75) shift = Math.max(shift / 2, leastShift);
      }
    }
  } finally {
    dual.finish(point);
  }
}
