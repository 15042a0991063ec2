import { ops } from '../native-ops.ts';
import { Tensor } from '../tensor.ts';
import type { Pair } from './cost.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Entries of the sparse plan, as a multiple of rows and columns: section 5 (c) of the method keeps 64. */
const entriesPerVector = 65;
/** Below this, in units of eps, a gain is of the size of the rounding of the semi-dual. */
const tinyGain = 64 * 2 ** -52;

/** How a Newton stage ended. */
export type NewtonEnd = 'converged' | 'max-iterations' | 'at-precision';

/**
 * Levenberg–Marquardt on the semi-dual, by the sparse part of the plan: the safe form of Sinkhorn–Newton–Sparse
 * (arXiv 2401.12253). Every trial is finite; a shift of the Hessian's diagonal takes the place of a line search.
 */
export class Newton {
  readonly #plan: ScaledPlan;
  readonly #step: Tensor;
  readonly #rowSums: [Tensor, Tensor];
  readonly #trial: Pair[];
  readonly #starts: Tensor;
  readonly #columns: Tensor;
  readonly #values: Tensor;
  readonly #kept: Tensor;
  readonly #stepStatistics: Tensor;
  readonly #statistics: Tensor;
  /** The shift, relative to the marginals. */
  #shift = 1e-2;

  constructor(plan: ScaledPlan) {
    this.#plan = plan;
    const { rows, columns, device } = plan.cost;
    const entries = Math.min(rows * columns, entriesPerVector * (rows + columns)) + rows + columns;
    this.#step = plan.vector(rows);
    this.#rowSums = [plan.vector(rows), plan.vector(rows)];
    this.#trial = [plan.pair()];
    this.#starts = plan.own(new Tensor(device, [rows + 1], 'i32'));
    this.#columns = plan.own(new Tensor(device, [entries], 'i32'));
    this.#values = plan.vector(entries);
    this.#kept = plan.vector(2);
    this.#stepStatistics = plan.vector(4);
    this.#statistics = plan.vector(3);
  }

  /** For a new level of eps. */
  loosen(): void {
    this.#shift = Math.max(this.#shift, 1e-3);
  }

  /** From where the plan stands, until the L1 error of the rows is at most `tol`. */
  async run(tol: number): Promise<{ end: NewtonEnd; error: number }> {
    const plan = this.#plan;
    const { control } = plan;
    let { error } = await this.#evaluate();
    let isFresh = true;
    let rejections = 0;
    for (;;) {
      control.report(plan.eps, error);
      if (error <= tol) return { end: 'converged', error };
      if (control.newtonLeft <= 0) return { end: 'max-iterations', error };
      if (isFresh) this.#sparsify(Math.min(1e-2, 0.1 * error));
      const trial = await this.#try(error);
      const ratio = trial.gain > 0 ? trial.increase / trial.gain : -1;
      const isTiny = trial.gain < tinyGain * Math.max(1, trial.size);
      const isBetter = isTiny ? trial.error <= 0.9 * error : ratio > 1e-3;
      if (isBetter && trial.largest <= plan.limit) {
        this.#accept(trial.largest);
        error = trial.error;
        if (isTiny || ratio > 0.75) this.#shift = Math.max(this.#shift / 4, 1e-8);
        else if (ratio < 0.25) this.#shift *= 4;
        isFresh = true;
        rejections = 0;
      } else if (isTiny) {
        return { end: 'at-precision', error };
      } else {
        this.#shift *= 8;
        isFresh = false;
        if (++rejections % 3 !== 0 || control.sweepsLeft < 5) continue;
        const swept = await plan.scalingSweeps(5, 0);
        if (swept.failed) plan.logSweeps(5);
        ({ error } = await this.#evaluate());
        isFresh = true;
      }
    }
  }

  /** The semi-dual where the plan stands; its column scales become the right ones. */
  async #evaluate(): Promise<{ error: number }> {
    this.#semidual(undefined);
    const [error, , largest] = await this.#plan.control.read(this.#statistics);
    this.#accept(largest!);
    return { error: error! };
  }

  #semidual(step: Tensor | undefined): void {
    const { cost, kernel, scales, masses, control } = this.#plan;
    control.iterations.evaluations += 1;
    ops.semidual(cost.device, {
      kernel,
      row_mass: masses.rows,
      column_mass: masses.columns,
      row_scale: scales.rows,
      column_scale: scales.columns,
      step,
      next_row_scale: this.#trial[0]!.rows,
      next_column_scale: this.#trial[0]!.columns,
      row_sums: this.#rowSums[1],
      statistics: this.#statistics,
    });
  }

  #accept(largest: number): void {
    const plan = this.#plan;
    const left = plan.scales;
    plan.scales = this.#trial[0]!;
    this.#trial[0] = left;
    this.#rowSums.reverse();
    if (largest > plan.limit / 2) plan.absorb();
  }

  #sparsify(delta: number): void {
    const { cost, kernel, scales } = this.#plan;
    ops.planSparsify(cost.device, {
      kernel,
      row_scale: scales.rows,
      column_scale: scales.columns,
      starts: this.#starts,
      columns: this.#columns,
      values: this.#values,
      statistics: this.#kept,
      delta,
    });
  }

  async #try(error: number): Promise<{ gain: number; size: number; error: number; increase: number; largest: number }> {
    const { cost, masses, control } = this.#plan;
    ops.sparseNewtonStep(cost.device, {
      starts: this.#starts,
      columns: this.#columns,
      values: this.#values,
      row_mass: masses.rows,
      row_sums: this.#rowSums[0],
      column_mass: masses.columns,
      step: this.#step,
      statistics: this.#stepStatistics,
      shift: this.#shift * Math.min(1, error),
      tol: Math.min(0.1, Math.sqrt(error)),
      most: 400,
    });
    this.#semidual(this.#step);
    const [step, trial] = await Promise.all([control.read(this.#stepStatistics), control.read(this.#statistics)]);
    control.iterations.newton += 1;
    control.iterations.cg += step[0]!;
    return { gain: step[1]!, size: step[2]!, error: trial[0]!, increase: trial[1]!, largest: trial[2]! };
  }
}
