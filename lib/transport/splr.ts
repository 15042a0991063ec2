import { type Both, type DualValue, dot, FullDual, moved } from './full-dual.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Constants of the authors' program. */
const density = { most: 0.01, first: 0.001, least: 1e-4, more: 1.1, less: 0.99 };
const largestShift = 1e-3;
const wolfe = { decrease: 1e-4, curvature: 0.9, evaluations: 20, longest: 2 };
const leastCurvature = 1e-6;
/** Below this share of the dual's value a decrease is rounding. */
const rounding = 64 * 2 ** -52;

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
      const found = await search(dual, here, direction, Math.min(1, 1.5 * length), eps);
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

/** A step by the strong Wolfe conditions: the bracket is halved, or doubled while there is no end to it. */
async function search(
  dual: FullDual,
  from: Point,
  direction: Both,
  trial: number,
  eps: number,
): Promise<{ length: number; point: Point } | undefined> {
  const slope = dot(direction, from.dual.gradient);
  let [low, high, length] = [0, Infinity, trial];
  let best: { length: number; point: Point } | undefined;
  for (let k = 0; k < wolfe.evaluations; ++k) {
    const at = moved(from.at, length, direction);
    const point = { at, dual: await dual.evaluate(at) };
    // The value does not tell points apart whose promised decrease is rounding; the gradient does.
    const isTiny = -length * slope < rounding * Math.max(Math.abs(from.dual.value), eps);
    const isLower = isTiny
      ? point.dual.error < from.dual.error
      : point.dual.value <= from.dual.value + wolfe.decrease * length * slope;
    if (isLower && isTiny) return { length, point };
    const slopeThere = isLower ? dot(direction, point.dual.gradient) : 0;
    if (isLower && (!best || point.dual.value < best.point.dual.value)) best = { length, point };
    if (isLower && Math.abs(slopeThere) <= -wolfe.curvature * slope) return { length, point };
    if (!isLower || slopeThere > 0) high = length;
    else low = length;
    if (high === Infinity && length >= wolfe.longest) return best;
    length = high === Infinity ? Math.min(2 * length, wolfe.longest) : (low + high) / 2;
  }
  return best;
}
