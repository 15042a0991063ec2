import { lineSearch } from '../../solvers/line-search.ts';
import { type Both, type DualValue, dot, FullDual, moved, roundingOf } from './full-dual.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Constants of the authors' program. */
const density = { most: 0.01, first: 0.001, least: 1e-4, more: 1.1, less: 0.99 };
const largestShift = 1e-3;
const wolfe = { sufficient: 1e-4, curvature: 0.9, evaluations: 20, longest: 2 };
const leastCurvature = 1e-6;

interface Point {
  readonly at: Both;
  readonly dual: DualValue;
}

/**
 * Sparse plus low rank (Wang and Qiu, ICML 2025): the Hessian's largest entries, corrected by one BFGS pair, with a line
 * search by the strong Wolfe conditions. The number of entries follows whether gradients fall. The authors' constants are for
 * costs of about 1: `unit` is the size of these.
 */
export async function splr(
  plan: ScaledPlan,
  a: Float64Array,
  b: Float64Array,
  tol: number,
  unit: number,
): Promise<SolverEnd> {
  const dual = new FullDual(plan, a, b);
  const { control, eps } = plan;
  const start = await dual.start();
  let here: Point = { at: start, dual: await dual.evaluate(start) };
  let previous: Point | undefined;
  let share = density.first;
  let length = 1;
  const norm = (x: Both): number => Math.sqrt(dot(x, x));
  const first = norm(here.dual.gradient);
  try {
    for (;;) {
      const { gradient, error, sums } = here.dual;
      control.report(eps, error);
      if (error <= tol) return 'converged';
      if (control.newtonLeft <= 0) return 'max-iterations';
      control.iterations.newton += 1;
      const size = norm(gradient);
      const part = await dual.sparsify(here.at, Math.ceil(share * dual.rows * dual.columns), 0);
      using _columns = part.columns;
      using _values = part.values;
      const ridge = (eps / unit) * Math.min(size, largestShift);
      const solve = async (rhs: Both): Promise<Both> =>
        (await dual.solve(part, sums, ridge, rhs, 1e-8)).map((x) => eps * x);
      const descent = gradient.map((x) => -x);
      let direction = await solve(descent);
      if (previous) direction = await corrected(direction, here, previous, unit, solve);
      if (!(dot(direction, gradient) < 0)) direction = descent.map((x) => eps * x);
      const from = here.dual;
      const { best: found } = await lineSearch(dual.along(here.at, from, direction, 1), {
        ...wolfe,
        slope: dot(direction, gradient),
        first: Math.min(1, 1.5 * length),
        rounding: roundingOf(from, eps),
        // The gradient tells points apart that the value does not.
        isBetter: (point) => point.dual.error < from.error,
      });
      if (!found) return 'at-precision';
      length = found.length;
      const isWorse = norm(found.point.dual.gradient) > size && size < first;
      share = Math.min(density.most, Math.max(density.least, share * (isWorse ? density.more : density.less)));
      previous = here;
      here = found.point;
    }
  } finally {
    dual.finish(here.at);
  }
}

/** The direction of the sparse Hessian, with one pair of the last step. */
async function corrected(
  q: Both,
  here: Point,
  previous: Point,
  unit: number,
  solve: (rhs: Both) => Promise<Both>,
): Promise<Both> {
  const y = moved(here.dual.gradient, -1, previous.dual.gradient);
  const s = here.at.map((x, i) => (Number.isFinite(x) ? x - previous.at[i]! : 0));
  const bending = dot(y, s);
  if (!(bending > leastCurvature * unit * dot(y, y))) return q;
  const w = await solve(y);
  const t = -dot(s, here.dual.gradient) / bending;
  const by = (1 + dot(y, w) / bending) * t - dot(y, q) / bending;
  return q.map((x, i) => x + by * s[i]! - t * w[i]!);
}
