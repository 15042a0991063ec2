import type { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { lineSearch } from '../../solvers/line-search.ts';
import { type DualPoint, type DualVector, roundingOf, type Solved, solveFullDual } from './full-dual.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Constants of the authors' program. */
const density = { most: 0.01, first: 0.001, least: 1e-4, more: 1.1, less: 0.99 };
const largestShift = 1e-3;
const wolfe = { sufficient: 1e-4, curvature: 0.9, evaluations: 20, longest: 2 };
const leastCurvature = 1e-6;

/**
 * Sparse plus low rank (Wang and Qiu, ICML 2025): the Hessian's largest entries, corrected by one BFGS pair, with a
 * line search by the strong Wolfe conditions. The number of entries follows whether gradients fall. The authors'
 * constants are for costs of about 1: `unit` is the size of these.
 */
export function splr(plan: ScaledPlan, tol: number, unit: number): Promise<SolverEnd> {
  const { eps, control } = plan;
  const { queue } = control;
  return solveFullDual(plan, tol, (dual) => {
    let previous: DualPoint | undefined;
    let first: number | undefined;
    let share = density.first;
    let length = 1;

    /** The direction q of the sparse Hessian, with one pair of the last step. */
    const correct = async (
      q: DualVector,
      here: DualPoint,
      before: DualPoint,
      solve: (rhs: DualVector, factor: number) => Promise<Solved>,
      owned: Owned<Tensor>,
    ): Promise<DualVector> => {
      const [y, s] = [dual.vector(owned), dual.vector(owned)];
      vectors.combine(queue, y, [1, here.gradient], [-1, before.gradient]);
      dual.difference(here, before, s);
      const [ys, yy, sg, yq] = await dual.dots([y, s], [y, y], [s, here.gradient], [y, q]);
      if (!(ys! > leastCurvature * unit * yy!)) return q;
      const { x: w, along: yw } = await solve(y, eps);
      const t = -sg! / ys!;
      const by = (1 + yw / ys!) * t - yq! / ys!;
      vectors.combine(queue, q, [1, q], [by, s], [-t, w]);
      return q;
    };

    return async (here, owned) => {
      first ??= here.norm;
      await dual.sparsify(here, Math.ceil(share * dual.rows * dual.columns), 0);
      const shift = (eps / unit) * Math.min(here.norm, largestShift);
      const solve = (rhs: DualVector, factor: number) => dual.solve(here, rhs, { shift, tol: 1e-8, factor }, owned);
      let direction = (await solve(here.gradient, -eps)).x;
      if (previous) direction = await correct(direction, here, previous, solve, owned);
      let [slope] = await dual.dots([direction, here.gradient]);
      if (!(slope! < 0)) {
        vectors.scale(queue, -eps, here.gradient, direction);
        slope = -eps * here.norm ** 2;
      }
      const { best: found } = await lineSearch(dual.along(here, direction, 1), {
        ...wolfe,
        slope: slope!,
        first: Math.min(1, 1.5 * length),
        rounding: roundingOf(here, eps),
        // The gradient tells points apart that the value does not.
        isBetter: (point) => point.error < here.error,
      });
      if (!found) return undefined;
      length = found.length;
      const isWorse = found.point.norm > here.norm && here.norm < first;
      share = Math.min(density.most, Math.max(density.least, share * (isWorse ? density.more : density.less)));
      previous = here;
      return found.point;
    };
  });
}
