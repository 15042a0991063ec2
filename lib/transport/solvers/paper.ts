import { lineSearch } from '../../solvers/line-search.ts';
import { roundingOf, solveFullDual } from './full-dual.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

const mostHalvings = 40;

/** Entries of the plan that a share of the whole Hessian leaves: its diagonal counts, and each entry twice. */
function entriesOf(lambda: number, rows: number, columns: number): number {
  const side = rows + columns;
  return Math.max(rows, Math.floor((Math.ceil(lambda * side ** 2) - side) / 2));
}

/**
 * Sinkhorn–Newton–Sparse as published (arXiv 2401.12253): a fixed number of the largest entries, conjugate gradients,
 * and a step that is halved until the dual in both potentials improves. For study: on costs that are not random it
 * stalls.
 */
export function paperNewton(plan: ScaledPlan, tol: number, lambda: number): Promise<SolverEnd> {
  const { eps } = plan;
  return solveFullDual(plan, tol, (dual) => async (here, owned) => {
    await dual.sparsify(here, entriesOf(lambda, dual.rows, dual.columns), 0);
    const system = { shift: 0, tol: 1e-10, factor: -1 };
    const { x: direction, along } = await dual.solve(here, here.gradient, system, owned);
    const { best } = await lineSearch(dual.along(here, direction, eps), {
      slope: eps * along,
      evaluations: mostHalvings + 1,
      // Any decrease.
      sufficient: 2 ** -60,
      curvature: Infinity,
      rounding: roundingOf(here, eps),
      // Near the end the dual no longer tells points apart; the gradient does.
      isBetter: ({ error }) => error < here.error,
    });
    return best?.point;
  });
}
