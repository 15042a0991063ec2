import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { massFields, type Pair, scaleFields } from '../problem/cost.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** The semi-dual at a trial: in units of eps, relative to where the plan stands. */
export interface Evaluation {
  /** L1 error of the rows; the columns are right. */
  readonly error: number;
  readonly increase: number;
  /** The largest |ln| of a scale; infinity where a scale is no number. */
  readonly largest: number;
}

/** The point of a plan on its semi-dual, and one trial beside it. */
export class SemidualPoint {
  readonly plan: ScaledPlan;
  /** A step of the row potentials, in units of eps, to be tried. */
  readonly step: Tensor;
  /** [error, increase, largest |ln|] of the last evaluation. */
  readonly statistics: Tensor<'f64'>;
  #trial: Pair;
  #rowSums: [accepted: Tensor, trial: Tensor];

  constructor(plan: ScaledPlan) {
    this.plan = plan;
    this.step = plan.vector(plan.cost.rows);
    this.statistics = plan.vector(3);
    this.#trial = plan.pair();
    this.#rowSums = [plan.vector(plan.cost.rows), plan.vector(plan.cost.rows)];
  }

  /** P 1 where the plan stands. */
  get rowSums(): Tensor {
    return this.#rowSums[0];
  }
  /** P 1 of the last evaluation. */
  get trialRowSums(): Tensor {
    return this.#rowSums[1];
  }

  /** Queues the evaluation of `step`, or of no step. */
  queue(withStep: boolean): void {
    const { masses, control } = this.plan;
    const { kernel, scales } = this.plan.ensureKernel();
    control.iterations.evaluations += 1;
    ops.semidual(control.queue, {
      kernel,
      ...massFields(masses),
      ...scaleFields(scales),
      step: withStep ? this.step : undefined,
      nextRowScale: this.#trial.rows,
      nextColumnScale: this.#trial.columns,
      rowSums: this.#rowSums[1],
      statistics: this.statistics,
    });
  }

  async read(): Promise<Evaluation> {
    const [error, increase, largest] = await this.plan.control.read(this.statistics);
    return { error: error!, increase: increase!, largest: largest! };
  }

  /** The plan goes where the last evaluation was. */
  accept({ largest }: Evaluation): void {
    const { plan } = this;
    this.#trial = plan.exchangeScales(this.#trial);
    this.#rowSums.reverse();
    if (largest > plan.limit / 2) plan.absorb();
  }

  /** Evaluates where the plan stands; its column scales become the right ones. */
  async evaluate(): Promise<Evaluation> {
    this.queue(false);
    const here = await this.read();
    this.accept(here);
    return here;
  }
}
