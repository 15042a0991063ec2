import { allOrNone } from '../../core/all-or-none.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import type { LinePoint } from '../../solvers/line-search.ts';
import type { Pair } from '../problem/cost.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** Numbers along rows and columns, one after the other: a point, a gradient, a step of the dual in both potentials. */
export type Both = Float64Array;

/** The dual at a point, as what is to be minimized. */
export interface DualValue {
  /** eps Σ P − a · f − b · g */
  readonly value: number;
  /** (P 1 − a, Pᵀ 1 − b) */
  readonly gradient: Both;
  /** Row and column sums of P. */
  readonly sums: Both;
  /** L1 norm of the gradient. */
  readonly error: number;
}

/** A point on a line through the dual. */
export interface DualStep extends LinePoint {
  readonly at: Both;
  readonly dual: DualValue;
}

/** Below this change of the dual's value a decrease is rounding. */
export const roundingOf = ({ value }: DualValue, eps: number): number => 64 * 2 ** -52 * Math.max(Math.abs(value), eps);

export function dot(x: Both, y: Both): number {
  let sum = 0;
  for (let i = 0; i < x.length; ++i) sum += x[i]! * y[i]!;
  return sum;
}
/** x + by · y */
export const moved = (x: Both, by: number, y: Both): Both => x.map((value, i) => value + by * y[i]!);

/**
 * The dual in both potentials, which the published methods work on. A trial may overflow: its value is infinite then. All
 * vectors are on the host; the device sums plans and solves systems.
 */
export class FullDual {
  readonly #plan: ScaledPlan;
  readonly #masses: Both;
  readonly #potentials: Pair;
  readonly #sums: Pair;
  readonly #diagonal: Pair;
  readonly #rhs: Pair;
  readonly #step: Pair;
  readonly #ones: Pair;
  readonly #statistics: Tensor;
  readonly #kept: Tensor;
  readonly #stepStatistics: Tensor;
  readonly #starts: Tensor;
  readonly #kernel: Tensor;

  constructor(plan: ScaledPlan, a: Float64Array, b: Float64Array) {
    this.#plan = plan;
    this.#masses = Float64Array.from([...a, ...b]);
    const { rows, columns, device, dtype } = plan.cost;
    this.#potentials = plan.pair();
    this.#sums = plan.pair();
    this.#diagonal = plan.pair();
    this.#rhs = plan.pair();
    this.#step = plan.pair();
    this.#ones = plan.pair();
    ops.fill(plan.control.queue, { x: [this.#ones.rows, this.#ones.columns], value: 1 });
    this.#statistics = plan.vector(4);
    this.#kept = plan.vector(2);
    this.#stepStatistics = plan.vector(4);
    this.#starts = plan.own(new Tensor(device, [rows + 1], 'i32'));
    this.#kernel = plan.own(new Tensor(device, [rows, columns], dtype));
  }

  get rows(): number {
    return this.#plan.cost.rows;
  }
  get columns(): number {
    return this.#plan.cost.columns;
  }

  #write(pair: Pair, both: Both): void {
    pair.rows.write(both.slice(0, this.rows));
    pair.columns.write(both.slice(this.rows));
  }
  async #read(pair: Pair): Promise<Both> {
    const { control } = this.#plan;
    const [rows, columns] = await Promise.all([control.read(pair.rows), control.read(pair.columns)]);
    return Float64Array.from([...rows, ...columns]);
  }

  /** The plan's potentials; a mass of 0 keeps its own of −infinity, and has no gradient. */
  start(): Promise<Both> {
    return this.#read(this.#plan.potentials);
  }
  /** The plan goes to the point. */
  finish(point: Both): void {
    this.#write(this.#plan.potentials, point);
  }

  async evaluate(point: Both): Promise<DualValue> {
    const { cost, masses, eps, control } = this.#plan;
    control.iterations.evaluations += 1;
    this.#write(this.#potentials, point);
    cost.planSums(control.queue, masses, this.#potentials, eps, this.#sums, this.#statistics);
    const [sums, statistics] = await Promise.all([this.#read(this.#sums), control.read(this.#statistics)]);
    const linear = point.reduce((total, x, i) => (this.#masses[i] === 0 ? total : total + x * this.#masses[i]!), 0);
    const value = eps * statistics[1]! - linear;
    const gradient = sums.map((s, i) => s - this.#masses[i]!);
    const error = statistics[2]! + statistics[3]!;
    const isNumber = Number.isFinite(value) && Number.isFinite(error);
    return { value: isNumber ? value : Infinity, gradient, sums, error: isNumber ? error : Infinity };
  }

  /** Points on the line from one of this value, at lengths in units of `unit`, for a line search. */
  along(from: Both, value: DualValue, direction: Both, unit: number): (length: number) => Promise<DualStep> {
    return async (length) => {
      const at = moved(from, length * unit, direction);
      const there = await this.evaluate(at);
      const slope = unit * dot(direction, there.gradient);
      return { at, dual: there, change: there.value - value.value, slope };
    };
  }

  /** The next systems' entries: those of the plan that all but `delta` of it are in, `most` of them. */
  async sparsify(point: Both, most: number, delta: number): Promise<SparsePart> {
    const { cost, eps, control } = this.#plan;
    this.#write(this.#potentials, point);
    cost.gibbsKernel(control.queue, this.#potentials, eps, this.#kernel);
    const room = Math.min(most, this.rows * this.columns) + this.rows + this.columns;
    const [columns, values] = allOrNone(
      () => new Tensor(cost.device, [room], 'i32'),
      () => new Tensor(cost.device, [room], 'f64'),
    );
    const part = { columns, values };
    try {
      ops.planSparsify(control.queue, {
        kernel: this.#kernel,
        rowScale: this.#ones.rows,
        columnScale: this.#ones.columns,
        starts: this.#starts,
        ...part,
        statistics: this.#kept,
        delta,
      });
      await control.read(this.#kept);
      return part;
    } catch (error) {
      columns.dispose();
      values.dispose();
      throw error;
    }
  }

  /** x of ([diag(P 1), P̃; P̃ᵀ, diag(Pᵀ 1)] + shift) x = rhs, by conjugate gradients. */
  async solve(part: SparsePart, sums: Both, shift: number, rhs: Both, tol: number): Promise<Both> {
    const { control } = this.#plan;
    this.#write(
      this.#diagonal,
      sums.map((s) => s + shift),
    );
    this.#write(this.#rhs, rhs);
    ops.sparseNewtonStep(control.queue, {
      starts: this.#starts,
      ...part,
      rowMass: this.#diagonal.rows,
      rowSums: this.#diagonal.rows,
      columnMass: this.#diagonal.columns,
      rowRhs: this.#rhs.rows,
      columnRhs: this.#rhs.columns,
      step: this.#step.rows,
      columnStep: this.#step.columns,
      statistics: this.#stepStatistics,
      tol,
      most: 1000,
    });
    const [x, statistics] = await Promise.all([this.#read(this.#step), control.read(this.#stepStatistics)]);
    control.iterations.cg += statistics[0]!;
    return x.map((value, i) => (this.#masses[i] === 0 ? 0 : value));
  }
}

/** The entries of a sparse plan; who asked for them disposes of them. */
export interface SparsePart {
  readonly columns: Tensor;
  readonly values: Tensor;
}
