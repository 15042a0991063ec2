import { type Both, type DualValue, dot, FullDual, moved } from './full-dual.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Constants of the authors' program. */
const steps = [1, 0.5, 0.25, 0.1];
const leastShift = 1e-3;
const droppedShare = 0.01;
/** Below this share of the dual's value a decrease is rounding. */
const rounding = 64 * 2 ** -52;

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
        const best = await bestStep(dual, point, here, direction, eps);
        const promised = best.length * slope - 0.5 * best.length ** 2 * bending;
        const ratio = (here.value - best.value.value) / promised;
        const isTiny = promised < rounding * Math.max(Math.abs(here.value), eps);
        if (isTiny ? best.value.error <= 0.9 * here.error : ratio > 0) {
          [point, here] = [best.point, best.value];
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

/** The first of the steps that lowers the dual, else the one that raises it least. */
async function bestStep(dual: FullDual, point: Both, here: DualValue, direction: Both, eps: number) {
  let best: { length: number; point: Both; value: DualValue } | undefined;
  for (const length of steps) {
    const to = moved(point, length * eps, direction);
    const value = await dual.evaluate(to);
    if (!best || value.value < best.value.value) best = { length, point: to, value };
    if (value.value < here.value) break;
  }
  return best!;
}
