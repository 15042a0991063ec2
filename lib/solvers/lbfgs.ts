import { callback, checkNumber } from '../core/callbacks.ts';
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
  whole,
} from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { descend, type Evaluation, type Landscape } from './descent.ts';
import { checkOracle, type Oracle, saved, valueRounding } from './oracle.ts';
import type { SolverStatus } from './status.ts';

/** Progress of {@link lbfgs}, told after each step. */
export interface LbfgsProgress {
  /** Steps taken. */
  readonly iterations: number;
  /** The function's value. */
  readonly value: number;
  /** The Euclidean norm of its gradient. */
  readonly gradNorm: number;
}

/** Options of {@link lbfgs}. */
export interface LbfgsOptions extends TaskOptions<LbfgsProgress> {
  /** The Euclidean norm of the gradient that is enough: finite, not negative. Default: 1e-5. */
  tol?: number | undefined;
  /** Steps: whole, from 1 on. Default: 1000. */
  maxIterations?: number | undefined;
  /** Steps that are remembered: whole, from 1 to 100. Default: 10. */
  memory?: number | undefined;
  /** The mini-batch that the oracle is asked about: whole, from 0 on. Default: none. */
  sample?: number | undefined;
  /** Puts the value at each step into the result. Default: false. */
  history?: boolean | undefined;
}

/** The end of {@link lbfgs}; the minimum is in the oracle's parameters. */
export interface LbfgsResult {
  /** The function's value. */
  readonly value: number;
  /** The Euclidean norm of its gradient. */
  readonly gradNorm: number;
  /**
   * `'converged'`; `'max-iterations'`; `'at-precision'` where rounding hides further descent; `'search-failed'` where
   * no step leads down, as of a gradient that is wrong; `'diverged'` where the value is −infinity.
   */
  readonly status: SolverStatus;
  /** Steps taken. */
  readonly iterations: number;
  /** Gradients computed. */
  readonly evaluations: number;
  /** The value before the first step and after each, if it was asked for. */
  readonly history?: Float64Array;
}

const schema: Schema<Resolved<LbfgsOptions, 'signal' | 'onProgress' | 'sample' | 'history'>> = {
  tol: notNegative(1e-5),
  maxIterations: count(1000),
  memory: whole(10, 1, 100),
  sample: optional(whole(0, 0, 2 ** 53 - 1)),
  history: optional(flag(false)),
  ...watchers<LbfgsProgress>(),
};

interface Point extends Evaluation {
  readonly value: number;
}

/** The function of an oracle, around where its parameters are. */
class OracleLandscape implements Landscape<Point> {
  readonly like: readonly Tensor[];
  readonly numbers: Tensor<'f64'>;
  readonly #task: Task<LbfgsProgress>;
  readonly #oracle: Oracle;
  readonly #sample: number | undefined;
  readonly #point: readonly Tensor[];
  #value: number | undefined;

  constructor(task: Task<LbfgsProgress>, oracle: Oracle, sample: number | undefined, owned: Owned<Tensor>) {
    this.#task = task;
    this.#oracle = oracle;
    this.#sample = sample;
    this.like = oracle.params;
    this.numbers = owned.add(vectors.scalar(task.device));
    this.#point = vectors.like(oracle.params, owned);
    vectors.copy(task.queue, oracle.params, this.#point);
  }

  get rounding(): number {
    return valueRounding[this.like[0]!.dtype as 'f32' | 'f64'] * Math.abs(this.#value ?? 0);
  }

  async evaluate(gradient: readonly Tensor[], direction?: readonly Tensor[], length = 0): Promise<void> {
    const { params } = this.#oracle;
    if (direction) vectors.combine(this.#task.queue, params, [1, this.#point], [length, direction]);
    const lent = [...params, ...gradient, this.numbers];
    await callback(this.#task as Task<never>, 'lbfgs: oracle.gradient', lent, () =>
      this.#oracle.gradient(gradient, this.numbers, this.#sample),
    );
  }

  evaluation([value]: Float64Array, square: number): Point {
    for (const number of [value!, square]) checkNumber('lbfgs: oracle.gradient', number);
    return { value: value!, change: value! - (this.#value ?? value!), residualNorm: Math.sqrt(square) };
  }

  accept({ value }: Point): void {
    this.#value = value;
    vectors.copy(this.#task.queue, this.#oracle.params, this.#point);
  }

  /** Leaves the parameters where the point is. */
  finish(): void {
    vectors.copy(this.#task.queue, this.#point, this.#oracle.params);
  }
}

/**
 * Minimizes a function of tensors by limited-memory BFGS with a line search by the strong Wolfe conditions. The result
 * is left in the oracle's parameters. Vectors stay on the device; each evaluation is read once. A value of infinity is
 * a step too far; near the minimum, where rounding hides changes of the value, slopes decide.
 *
 * Memory: 2 `memory` + 7 times the parameters.
 *
 * Source: Liu and Nocedal 1989.
 *
 * @example
 * const { value, status } = await lbfgs(oracle, { tol: 1e-8 });
 * console.log(status, value, await oracle.params[0].read());
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options and what is no oracle, for NaN and for what its
 * functions throw; ERR_DISPOSED if they dispose of what they are given; the signal's reason when aborted. The
 * parameters are then as before
 */
export async function lbfgs(oracle: Oracle, options: LbfgsOptions = {}): Promise<LbfgsResult> {
  const where = 'lbfgs';
  checkOracle(where, oracle);
  const given = readOptions(where, options, schema);
  const { params } = oracle;
  using task = new Task<LbfgsProgress>(params[0]!.device, given);
  using owned = new Owned<Tensor>();
  const restore = saved(params, owned);
  const history: number[] = [];
  try {
    const landscape = new OracleLandscape(task, oracle, given.sample, owned);
    const end = await descend(task, landscape, {
      tol: given.tol,
      memory: given.memory,
      maxIterations: given.maxIterations,
      first: ({ residualNorm }) => Math.min(1, 1 / residualNorm),
      onStep: ({ value, residualNorm }, iterations) => {
        if (given.history) history[iterations] = value;
        task.report({ iterations, value, gradNorm: residualNorm });
      },
    });
    landscape.finish();
    const { status, iterations, evaluations, evaluation } = end;
    const result = { value: evaluation.value, gradNorm: evaluation.residualNorm, status, iterations, evaluations };
    return given.history ? { ...result, history: Float64Array.from(history) } : result;
  } catch (error) {
    restore();
    throw error;
  }
}
