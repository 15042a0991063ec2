import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import { massFields, scaleFields } from '../problem/cost.ts';
import type { ScaledPlan } from './scaled-plan.ts';
import { type Evaluation, SemidualPoint } from './semidual-point.ts';

/** Entries of the sparse plan, as a multiple of rows and columns. */
const entriesPerVector = 64;
/** … and at least this share of the matrix: plans of large problems are not that much sparser. */
const leastShare = 1 / 8;
/** Below this, in units of eps, a gain is of the size of the rounding of the semi-dual. */
const tinyGain = 64 * 2 ** -52;
/** The shift before anything is known. */
const firstShift = 1e-2;
/** A sparse plan never leaves out more than this. */
const mostDropped = 1e-2;

/** The end of a solver's last level. */
export type SolverEnd = 'converged' | 'max-iterations' | 'at-precision';

/** Bounds at which steps give up. */
export interface Patience {
  /** Rejected steps. */
  readonly rejections?: number;
  /** Steps in which the error has not halved. */
  readonly steps?: number;
}

/** The end of steps: `'stalled'` where patience ended them. */
export interface NewtonEnd {
  readonly end: SolverEnd | 'stalled';
  readonly error: number;
}

/** A Newton step that has been tried. */
interface Trial extends Evaluation {
  /** The gain that the model without shift promised. */
  readonly gain: number;
  /** The largest |step|. */
  readonly size: number;
}

/**
 * Levenberg–Marquardt on the semi-dual, by the sparse part of the plan: the safe form of Sinkhorn–Newton–Sparse
 * (arXiv 2401.12253). Every trial is finite; a shift of the Hessian's diagonal takes the place of a line search.
 */
export class Newton {
  readonly #plan: ScaledPlan;
  readonly #point: SemidualPoint;
  /** The entries of the sparse plan. */
  readonly #entries: { readonly starts: Tensor; readonly columns: Tensor; readonly values: Tensor };
  readonly #kept: Tensor;
  readonly #stepStatistics: Tensor;
  /** The shift, relative to the marginals. */
  #shift = firstShift;

  constructor(plan: ScaledPlan) {
    this.#plan = plan;
    this.#point = new SemidualPoint(plan);
    const { rows, columns, device } = plan.cost;
    const entries =
      Math.min(rows * columns, Math.max(entriesPerVector * (rows + columns), Math.ceil(leastShare * rows * columns))) +
      rows +
      columns;
    const list = (size: number) => plan.own(new Tensor(device, [size], 'i32'));
    this.#entries = { starts: list(rows + 1), columns: list(entries), values: plan.vector(entries) };
    this.#kept = plan.vector(2);
    this.#stepStatistics = plan.vector(4);
  }

  /** Starts anew. */
  forget(): void {
    this.#shift = firstShift;
  }

  /** Number of entries that hold all of the plan but a hundredth; infinity where there is no room for them. */
  async entries(): Promise<number> {
    const { cost, control } = this.#plan;
    const { values } = this.#entries;
    ops.fill(control.queue, { x: [values], value: 0 });
    this.#sparsify(mostDropped);
    using row = values.reshape([1, values.size]);
    using mass = new Tensor(cost.device, [1], 'f64');
    ops.rowReduce(control.queue, { x: row, out: mass, reduction: 'sum' });
    const [[count], [kept]] = await Promise.all([control.read(this.#kept), control.read(mass)]);
    // Without room, much more is left out than was asked for.
    return kept! < 1 - 2 * mostDropped ? Infinity : count!;
  }

  /** Steps from where the plan stands, until the L1 error of the rows is at most `tol`, or patience ends. */
  async run(
    tol: number,
    { rejections: mostRejections = Infinity, steps = Infinity }: Patience = {},
  ): Promise<NewtonEnd> {
    const plan = this.#plan;
    const { control } = plan;
    // A level has moved: what the last one learned of the shift holds no more.
    this.#shift = Math.max(this.#shift, 1e-3);
    let { error } = await this.#point.evaluate();
    let isFresh = true;
    let rejections = 0;
    let rejectedInAll = 0;
    let [toHalve, stepsLeft] = [error, steps];
    for (;;) {
      control.reportError(plan.eps, error);
      if (error <= tol) return { end: 'converged', error };
      if (error <= toHalve / 2) [toHalve, stepsLeft] = [error, steps];
      if (stepsLeft-- <= 0) return { end: 'stalled', error };
      if (control.newtonLeft <= 0) return { end: 'max-iterations', error };
      if (isFresh) this.#sparsify(Math.min(mostDropped, 0.1 * error));
      const trial = await this.#try(error);
      const ratio = trial.gain > 0 ? trial.increase / trial.gain : -1;
      const isTiny = Math.abs(trial.gain) < tinyGain * Math.max(1, trial.size);
      const isBetter = isTiny ? trial.error <= 0.9 * error : ratio > 1e-3;
      if (isBetter && trial.largest <= plan.limit) {
        this.#point.accept(trial);
        error = trial.error;
        if (isTiny || ratio > 0.75) this.#shift = Math.max(this.#shift / 4, 1e-8);
        else if (ratio < 0.25) this.#shift *= 4;
        isFresh = true;
        rejections = 0;
        continue;
      }
      if (isTiny) return { end: 'at-precision', error };
      if (++rejectedInAll >= mostRejections) return { end: 'stalled', error };
      this.#shift *= 8;
      isFresh = ++rejections % 3 === 0 && control.sweepsLeft >= 5;
      if (isFresh) error = await this.#sweep();
    }
  }

  /** Some sweeps, which lead on where steps fail. */
  async #sweep(): Promise<number> {
    const swept = await this.#plan.scalingSweeps(5, 0);
    if (swept.failed) await this.#plan.kernelSweeps(5);
    return (await this.#point.evaluate()).error;
  }

  #sparsify(delta: number): void {
    const { kernel, scales } = this.#plan.ensureKernel();
    const operands = { kernel, ...scaleFields(scales), ...this.#entries, statistics: this.#kept };
    ops.planSparsify(this.#plan.control.queue, { ...operands, delta });
  }

  async #try(error: number): Promise<Trial> {
    const { masses, control } = this.#plan;
    ops.sparseNewtonStep(control.queue, {
      ...this.#entries,
      ...massFields(masses),
      rowSums: this.#point.rowSums,
      step: this.#point.step,
      statistics: this.#stepStatistics,
      shift: this.#shift * Math.min(1, error),
      tol: Math.min(0.1, Math.sqrt(error)),
      maxIterations: 400,
    });
    this.#point.queue(true);
    const [step, evaluation] = await Promise.all([control.read(this.#stepStatistics), this.#point.read()]);
    control.iterations.newton += 1;
    control.iterations.cg += step[0]!;
    return { ...evaluation, gain: step[1]!, size: step[2]! };
  }
}
