import type { Lane } from '../core/lane.ts';
import { Owned } from '../core/owned.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { CurvaturePairs, type Slope } from './curvature-pairs.ts';
import { lineSearch } from './line-search.ts';
import type { SolverStatus } from './status.ts';

/** A function at a point that was tried. */
export interface Evaluation {
  /** The value's change from the point; infinite where there is no value. */
  readonly change: number;
  /** The number that is to become small, such as the norm of the gradient. */
  readonly residualNorm: number;
}

/** A function of tensors that is to be minimized, at a point that it keeps; one other point is tried at a time. */
export interface Landscape<E extends Evaluation> {
  /** Shapes and dtypes of the point. */
  readonly like: readonly Tensor[];
  /** Queues the gradient at the point moved by so much along a direction, or at the point. */
  evaluate(gradient: readonly Tensor[], direction?: readonly Tensor[], length?: number): void | Promise<void>;
  /** Numbers of the last evaluation, f64, on the device. */
  readonly numbers: Tensor<'f64'>;
  /** Those numbers; `square` is the product of the gradient with its preconditioned self. */
  evaluation(numbers: Float64Array, square: number): E;
  /** The point goes where the last evaluation was. */
  accept(evaluation: E): void;
  /** out = an inverse of the Hessian, roughly, times the gradient. */
  precondition?(gradient: readonly Tensor[], out: readonly Tensor[]): void;
  /** A gain below this is rounding. */
  readonly rounding: number;
}

/** When to end, and how steps are searched for. */
export interface DescentOptions<E> {
  readonly tol: number;
  readonly memory?: number;
  readonly maxIterations?: number;
  readonly maxEvaluations?: number;
  /** The first length of the first step. Default: 1. */
  readonly first?: ((evaluation: E) => number) | undefined;
  /** The factor of the slope, as in a line search; infinity: Armijo's condition alone. */
  readonly curvature?: number;
  readonly evaluationsOfSearch?: number;
  /** Told before each step. */
  readonly onStep?: (evaluation: E, iterations: number) => void;
}

/** The end of a descent. */
export interface DescentEnd<E> {
  readonly status: SolverStatus;
  readonly evaluation: E;
  readonly iterations: number;
  readonly evaluations: number;
}

/** A point that rounding hides is good if the slope there is at most so many times as steep uphill, … */
const overshoot = 0.8;
/** … and its residual norm is at most so many times the least so far. */
const mostGrowth = 1.5;
/** Evaluations of such points in which the residual norm must halve, lest numbers be at their end, … */
const mostTiny = 100;
/** … and in one search. */
const mostTinyOfSearch = 5;

/**
 * L-BFGS with a line search. Each evaluation is read once. Near the end, where the value cannot tell points apart, its
 * slope does (Hager and Zhang's approximate Wolfe conditions). The residual norm need not fall with each step there: to
 * ask for that is to end in steps of the size of rounding.
 */
export async function descend<E extends Evaluation>(
  task: Lane,
  landscape: Landscape<E>,
  options: DescentOptions<E>,
): Promise<DescentEnd<E>> {
  const { tol, memory = 10, maxIterations = Infinity, maxEvaluations = Infinity, curvature = 0.9 } = options;
  const { queue } = task;
  const { like } = landscape;
  using owned = new Owned<Tensor>();
  const isPreconditioned = landscape.precondition !== undefined;
  const pairs = new CurvaturePairs(queue, like, memory, isPreconditioned, owned);
  const slope = (): Slope => {
    const gradient = vectors.like(like, owned);
    return { gradient, image: isPreconditioned ? vectors.like(like, owned) : gradient };
  };
  let [here, there] = [slope(), slope()];
  const direction = vectors.like(like, owned);
  const precondition = ({ gradient, image }: Slope): void => landscape.precondition?.(gradient, image);

  await landscape.evaluate(here.gradient);
  precondition(here);
  const first = owned.add(vectors.scalar(like[0]!.device));
  vectors.dot(queue, here.gradient, here.image, first);
  const [[square], begin] = await Promise.all([task.read(first), task.read(landscape.numbers)]);
  pairs.begin(square!);
  let evaluation = landscape.evaluation(begin, square!);
  landscape.accept(evaluation);

  let last = 0;
  const attempt = async (length: number) => {
    last = length;
    await landscape.evaluate(there.gradient, direction, length);
    precondition(there);
    const queued = pairs.try(direction, length, here, there);
    const [products, numbers] = await Promise.all([task.read(queued), task.read(landscape.numbers)]);
    const slopes = CurvaturePairs.slopeOf(products);
    const trial = landscape.evaluation(numbers, slopes.square);
    return { trial, products, change: trial.change, slope: slopes.slope };
  };

  let least = evaluation.residualNorm;
  let [toHalve, tinyLeft] = [least, mostTiny];
  let [iterations, evaluations] = [0, 1];
  for (;;) {
    const end = (status: SolverStatus): DescentEnd<E> => ({ status, evaluation, iterations, evaluations });
    options.onStep?.(evaluation, iterations);
    if (evaluation.residualNorm <= tol) return end('converged');
    if (evaluation.change === -Infinity) return end('diverged');
    if (iterations >= maxIterations || evaluations >= maxEvaluations) return end('max-iterations');
    if (tinyLeft <= 0) return end('at-precision');
    const slope = pairs.direction(here.image, direction);
    const found = await lineSearch(attempt, {
      slope: slope < 0 ? slope : NaN,
      first: pairs.isEmpty ? options.first?.(evaluation) : 1,
      evaluations: Math.min(options.evaluationsOfSearch ?? 20, maxEvaluations - evaluations),
      curvature,
      rounding: landscape.rounding,
      tinyEvaluations: Math.min(mostTinyOfSearch, tinyLeft),
      isBetter: (point) => point.slope <= -overshoot * slope && point.trial.residualNorm <= mostGrowth * least,
    });
    evaluations += found.evaluations;
    tinyLeft -= found.tinyEvaluations;
    if (!found.best) {
      if (evaluations >= maxEvaluations) return end('max-iterations');
      if (pairs.isEmpty) return end(found.tinyEvaluations > 0 || slope === 0 ? 'at-precision' : 'search-failed');
      pairs.forget();
      continue;
    }
    let { point } = found.best;
    if (found.best.length !== last) {
      point = await attempt(found.best.length);
      evaluations += 1;
    }
    pairs.take(point.products);
    landscape.accept(point.trial);
    [here, there] = [there, here];
    evaluation = point.trial;
    iterations += 1;
    least = Math.min(least, evaluation.residualNorm);
    if (evaluation.residualNorm <= toHalve / 2) [toHalve, tinyLeft] = [evaluation.residualNorm, mostTiny];
  }
}
