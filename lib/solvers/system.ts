// Systems A x = b of an operator: what their methods share of options, checks and results.

import { called, checkNumber } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import type { Dtype } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import {
  count,
  flag,
  notNegative,
  optional,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
} from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { SolverStatus } from './status.ts';
import { checkSymmetric } from './symmetry.ts';

/** Progress of a system, told after each iteration. */
export interface SystemProgress {
  /** Products with the operator in the recurrence. */
  readonly iterations: number;
  /** |b − A x| / |b|, as the recurrence has it. */
  readonly residualNorm: number;
}

/** Options of methods for systems. */
export interface SystemOptions extends TaskOptions<SystemProgress> {
  /** Start of the iterations, `[n]`; it is not written. Default: 0. */
  x0?: Tensor | undefined;
  /** |b − A x| / |b| that is enough: finite, not negative. Default: 1e-8 in f64, 1e-5 in f32. */
  tol?: number | undefined;
  /** Whole, from 1 on. Default: 10 n. */
  maxIterations?: number | undefined;
  /** Puts the relative residual norm before the first iteration and after each into the result. Default: false. */
  history?: boolean | undefined;
  /** Refuses an operator that is not symmetric, by three products with random vectors at the start. Default: false. */
  checkSymmetry?: boolean | undefined;
}

/** The end of a method for systems; x is the caller's. */
export interface SystemResult<D extends Dtype = Dtype> {
  /** `[n]`, of the operator's dtype. */
  readonly x: Tensor<D>;
  /** |b − A x| / |b|, computed at the end; 0 for b = 0. */
  readonly residualNorm: number;
  /**
   * `'converged'`; `'max-iterations'`; `'at-precision'` where rounding hides further progress; `'breakdown'` where the
   * operator or the preconditioner is not of the kind that the method is for.
   */
  readonly status: SolverStatus;
  /** Products with the operator in the recurrence. */
  readonly iterations: number;
  /** The relative residual norm before the first iteration and after each, if it was asked for. */
  readonly history?: Float64Array;
}

export type SystemSettings = Resolved<
  SystemOptions,
  'x0' | 'tol' | 'maxIterations' | 'history' | 'signal' | 'onProgress'
>;
export const systemSchema: Schema<SystemSettings> = {
  x0: check.tensorOption,
  tol: optional(notNegative(0)),
  maxIterations: optional(count(1)),
  history: optional(flag(false)),
  checkSymmetry: flag(false),
  ...watchers<SystemProgress>(),
};

/** A system that is being solved: x, its residual, and what is told of both. Scalars are read once an iteration. */
export class System<D extends Dtype> {
  readonly task: Task<SystemProgress>;
  readonly x: Tensor<D>;
  readonly residual: Tensor<D>;
  readonly tol: number;
  readonly maxIterations: number;
  /** |b|. */
  size = 0;
  iterations = 0;
  readonly #where: string;
  readonly #operator: LinearOperator;
  /** The caller's, until it loses something. */
  #b: Tensor<D>;
  #isWhole = true;
  readonly #owned = new Owned<Tensor>();
  readonly #history: number[] | undefined;
  #isUnsure: boolean;
  /** Squares of the residual and of b. */
  readonly #squares: Tensor<'f64'>;

  constructor(where: string, operator: LinearOperator, b: Tensor<D>, options: SystemSettings) {
    checkOperator(where, 'operator', operator, true);
    const { device, dtype, shape } = operator;
    const demands: check.TensorDemands = { shape: [shape[0]], dtypes: [dtype], device };
    check.tensor(where, 'b', b, demands);
    if (options.x0) check.tensor(where, 'x0', options.x0, demands);
    this.#where = where;
    this.#operator = operator;
    this.#b = b;
    this.tol = options.tol ?? (dtype === 'f64' ? 1e-8 : 1e-5);
    this.maxIterations = options.maxIterations ?? 10 * shape[0];
    this.#history = options.history ? [] : undefined;
    this.#isUnsure = options.checkSymmetry;
    this.task = new Task(device, options);
    try {
      this.x = this.vector();
      this.residual = this.vector();
      this.#squares = this.scalars(2);
      if (options.x0) vectors.copy(this.task.queue, options.x0, this.x);
      else ops.fill(this.task.queue, { x: [this.x] });
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  vector(): Tensor<D> {
    return this.#owned.add(new Tensor(this.#operator.device, this.#operator.shape.slice(0, 1), this.#b.dtype));
  }
  scalars(count: number): Tensor<'f64'> {
    return this.#owned.add(new Tensor(this.#operator.device, [count], 'f64'));
  }

  /** out = A x. Undefined where the operator gives no promise. */
  apply(
    x: Tensor,
    out: Tensor,
    operator: LinearOperator = this.#operator,
    name = 'operator',
  ): Promise<void> | undefined {
    const call = () => operator.apply(x, out);
    return called(`${this.#where}: ${name}.apply`, [x, out], call, this.task as Task<never>);
  }

  /** residual = b − A x; resolves to its norm. */
  async evaluate(): Promise<number> {
    const { queue } = this.task;
    if (this.#isUnsure) await checkSymmetric(this.#where, this.task as unknown as Task<never>, this.#operator);
    this.#isUnsure = false;
    await this.apply(this.x, this.residual);
    vectors.combine(queue, this.residual, [-1, this.residual], [1, this.#b]);
    vectors.dots(queue, [[this.residual, this.residual], [this.#b, this.#b]], this.#squares); // biome-ignore format: one line
    const [norm, size] = [...(await this.task.read(this.#squares))].map(Math.sqrt) as [number, number];
    if (!(size < Infinity)) throw refusal(this.#where, 'b', 'be finite', `${size} for its norm`);
    this.check(norm);
    if (this.#isWhole) this.size = size;
    return norm;
  }

  /** b += factor · x: the system that is solved from now on. What is relative to |b| stays so to that of the start. */
  lose(factor: number, x: Tensor): void {
    const { queue } = this.task;
    if (this.#isWhole) {
      const own = this.vector();
      vectors.copy(queue, this.#b, own);
      this.#b = own;
      this.#isWhole = false;
    }
    vectors.axpy(queue, factor, x, this.#b);
  }

  async norm(x: Tensor): Promise<number> {
    using out = new Tensor(x.device, [1], 'f64');
    vectors.norm(this.task.queue, x, out);
    return (await this.task.read(out))[0]!;
  }

  check(value: number): void {
    checkNumber(`${this.#where}: operator.apply`, value);
  }

  /** Told the norm of a residual; whether it is small enough. */
  isSmall(norm: number): boolean {
    return norm <= this.tol * this.size;
  }
  tell(norm: number): void {
    const relative = this.#relative(norm);
    if (this.#history) this.#history[this.iterations] = relative;
    this.task.report({ iterations: this.iterations, residualNorm: relative });
  }

  result(status: SolverStatus, norm: number): SystemResult<D> {
    const { iterations, x } = this;
    const result = { x: this.#owned.release(x), residualNorm: this.#relative(norm), status, iterations };
    return this.#history ? { ...result, history: Float64Array.from(this.#history) } : result;
  }

  #relative(norm: number): number {
    return this.size === 0 ? 0 : norm / this.size;
  }

  [Symbol.dispose](): void {
    this.task[Symbol.dispose]();
    this.#owned.dispose();
  }
}

/** The options of a method that has no others. */
export const systemOptions = (where: string, options: unknown): SystemSettings =>
  readOptions(where, options, systemSchema);
