import { lineSearch } from '../../solvers/line-search.ts';
import { dot, FullDual, roundingOf } from './full-dual.ts';
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
      const { best } = await lineSearch(dual.along(point, here, direction, eps), {
        slope: eps * dot(direction, here.gradient),
        evaluations: mostHalvings + 1,
        // Any decrease.
        sufficient: 2 ** -60,
        curvature: Infinity,
        rounding: roundingOf(here, eps),
        // Near the end the dual no longer tells points apart; the gradient does.
        isBetter: ({ dual: there }) => there.error < here.error,
      });
      if (!best) return 'at-precision';
      [point, here] = [best.point.at, best.point.dual];
    }
  } finally {
    dual.finish(point);
  }
}
