import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { descend, type Evaluation, type Landscape } from '../../solvers/descent.ts';
import type { SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';
import { type Evaluation as OfPoint, SemidualPoint } from './semidual-point.ts';

/** Halvings of a step before the search gives up. */
const mostHalvings = 30;

/** The end of L-BFGS, with the L1 error of the rows and the number of evaluations. */
export interface LbfgsEnd {
  readonly end: SolverEnd;
  readonly error: number;
  readonly evaluations: number;
}

interface Trial extends Evaluation {
  readonly point: OfPoint;
}

/** The semi-dual, its sign turned, in units of eps; unknown curvature of a row is taken for its mass. */
class Semidual implements Landscape<Trial> {
  readonly rounding = 64 * 2 ** -52;
  readonly like: readonly Tensor[];
  readonly numbers: Tensor<'f64'>;
  readonly #point: SemidualPoint;
  readonly #inverseMasses: Tensor;

  constructor(plan: ScaledPlan) {
    const masses = plan.problem.marginals.a;
    this.#point = new SemidualPoint(plan);
    this.like = [this.#point.step];
    this.numbers = this.#point.statistics;
    const inverse = masses.map((mass) => (mass === 0 ? 0 : 1 / mass));
    this.#inverseMasses = plan.own(Tensor.from(plan.cost.device, inverse, [masses.length]));
  }

  evaluate([gradient]: readonly Tensor[], direction?: readonly Tensor[], length = 1): void {
    const { control, masses } = this.#point.plan;
    if (direction) vectors.scale(control.queue, length, direction, this.like);
    this.#point.queue(direction !== undefined);
    vectors.combine(control.queue, gradient!, [1, this.#point.trialRowSums], [-1, masses.rows]);
  }

  evaluation([error, increase, largest]: Float64Array): Trial {
    const point = { error: error!, increase: increase!, largest: largest! };
    const isInRange = point.largest <= this.#point.plan.limit;
    return { point, change: isInRange ? -point.increase : Infinity, residualNorm: point.error };
  }

  accept({ point }: Trial): void {
    this.#point.accept(point);
  }

  precondition([gradient]: readonly Tensor[], [out]: readonly Tensor[]): void {
    ops.multiply(this.#point.plan.control.queue, { x: [gradient!], y: [this.#inverseMasses], out: [out!] });
  }
}

/** Maximizes the semi-dual by L-BFGS, until the rows' L1 error is at most the goal, or so many evaluations are done. */
export async function lbfgs(plan: ScaledPlan, maxEvaluations: number): Promise<LbfgsEnd> {
  const { control, eps } = plan;
  const { status, evaluation, evaluations } = await descend(control, new Semidual(plan), {
    tol: plan.problem.goal,
    maxEvaluations,
    evaluationsOfSearch: mostHalvings + 1,
    curvature: Infinity,
    onStep: ({ residualNorm }) => control.reportError(eps, residualNorm),
  });
  const isKnown = status === 'converged' || status === 'max-iterations';
  return { end: isKnown ? status : 'at-precision', error: evaluation.residualNorm, evaluations };
}
