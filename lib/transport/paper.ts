import { dot, FullDual, moved } from './full-dual.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

const mostHalvings = 40;

/** How many of the plan's largest entries a share of the whole Hessian leaves: its diagonal counts, and each entry twice. */
export function entriesOf(lambda: number, rows: number, columns: number): number {
  const side = rows + columns;
  return Math.max(rows, Math.floor((Math.ceil(lambda * side ** 2) - side) / 2));
}

/**
 * Sinkhorn–Newton–Sparse as published (arXiv 2401.12253): a fixed number of the largest entries, conjugate gradients, and a
 * step that is halved until the dual in both potentials improves. For study: on costs that are not random it stalls.
 */
export async function paperNewton(
  plan: ScaledPlan,
  a: Float64Array,
  b: Float64Array,
  lambda: number,
  tol: number,
): Promise<SolverEnd> {
  const dual = new FullDual(plan, a, b);
  const { control, eps } = plan;
  const entries = entriesOf(lambda, dual.rows, dual.columns);
  let point = await dual.start();
  let here = await dual.evaluate(point);
  try {
    for (;;) {
      control.report(eps, here.error);
      if (here.error <= tol) return 'converged';
      if (control.newtonLeft <= 0) return 'max-iterations';
      control.iterations.newton += 1;
      const part = await dual.sparsify(point, entries, 0);
      using _columns = part.columns;
      using _values = part.values;
      const direction = await dual.solve(
        part,
        here.sums,
        0,
        here.gradient.map((x) => -x),
        1e-10,
      );
      const slope = eps * dot(direction, here.gradient);
      let length = 1;
      for (let halvings = 0; ; ++halvings) {
        const to = moved(point, length * eps, direction);
        const there = await dual.evaluate(to);
        // Near the end the dual no longer tells points apart; the gradient does.
        const isSmall = -length * slope < 64 * 2 ** -52 * Math.max(Math.abs(here.value), eps);
        if (isSmall ? there.error < here.error : there.value < here.value) {
          [point, here] = [to, there];
          break;
        }
        if (halvings === mostHalvings) return 'at-precision';
        length /= 2;
      }
    }
  } finally {
    dual.finish(point);
  }
}
