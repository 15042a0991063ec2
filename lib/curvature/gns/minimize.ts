import { callback, checkFinite } from '../../core/callbacks.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import {
  count,
  finite,
  flag,
  notNegative,
  optional,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  whole,
} from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { saved, valueRounding } from '../../solvers/oracle.ts';
import type { SolverStatus } from '../../solvers/status.ts';
import { checkGnsOracle, type GnsOracle } from './oracle.ts';
import { systemOf } from './systems.ts';

/** Progress of {@link gnsMinimize}, told after each step. */
export interface GnsProgress {
  /** Steps taken. */
  readonly iterations: number;
  /** The function's value. */
  readonly value: number;
  /** The Euclidean norm of its gradient. */
  readonly gradNorm: number;
}

/** Options of {@link gnsMinimize}. */
export interface GnsOptions extends TaskOptions<GnsProgress> {
  /** The first smoothness γ, a length: > 0. Default: 1. */
  gamma0?: number | undefined;
  /** The Euclidean norm of the gradient that is enough: finite, not negative. Default: 1e-8. */
  gradTol?: number | undefined;
  /** A value that is enough: finite. Default: none. */
  stopValue?: number | undefined;
  /** Steps: whole, from 1 on. Default: 1000. */
  maxIterations?: number | undefined;
  /** Trials of one step: whole, from 1 on. Default: 40. */
  maxInner?: number | undefined;
  /** The mini-batch that the oracle is asked about: whole, from 0 on. Default: none. */
  sample?: number | undefined;
  /** Puts the value at each step into the result. Default: false. */
  history?: boolean | undefined;
  /**
   * Refuses a `dense` matrix whose halves differ, and products of a matrix that is not symmetric, by three more with
   * random vectors at the start. Default: false.
   */
  checkSymmetry?: boolean | undefined;
}

/** The end of {@link gnsMinimize}; the minimum is in the oracle's parameters. */
export interface GnsResult {
  /** The function's value. */
  readonly value: number;
  /** The Euclidean norm of its gradient. */
  readonly gradNorm: number;
  /**
   * `'converged'`; `'max-iterations'`; `'at-precision'` where rounding hides further descent; `'search-failed'` where
   * no trial leads down, as of a gradient that is wrong; `'diverged'` where the value is −infinity. Short trials along
   * a wrong gradient hide in rounding, too: the word is `'at-precision'` if the longest one does, or if steps were seen
   * to lead down before.
   */
  readonly status: SolverStatus;
  /** Steps taken. */
  readonly iterations: number;
  /** Systems solved: trials of all steps. */
  readonly solves: number;
  /** The smoothness γ at the end. */
  readonly gamma: number;
  /** The value before the first step and after each, if it was asked for. */
  readonly history?: Float64Array;
}

const schema: Schema<Resolved<GnsOptions, 'stopValue' | 'sample' | 'history' | 'signal' | 'onProgress'>> = {
  gamma0: positive(1),
  gradTol: notNegative(1e-8),
  stopValue: optional(finite(0)),
  maxIterations: count(1000),
  maxInner: count(40),
  sample: optional(whole(0, 0, 2 ** 53 - 1)),
  history: optional(flag(false)),
  checkSymmetry: flag(false),
  ...watchers<GnsProgress>(),
};

const leastGamma = 1e-9;
/** Steps in which the norm of the gradient must halve, once rounding hides what they gain. */
const mostHidden = 100;

/**
 * Minimizes a function by regularized Newton steps s = −(H + λ I)⁻¹ g with an approximation H of its Hessian and
 * λ = |g| / γ, where γ, the gradient-normalized smoothness, is found on the way: a step is taken, and γ doubled, if the
 * value falls by |g₊|² / (8 λ), g₊ the gradient after it; else γ is halved. A system that cannot be solved, and values
 * that are no numbers, count as a step too far. Where rounding hides what a step gains, −g₊·s stands for it, the least
 * that a convex function gains: however many such steps, the value stays within its rounding, 64 ε or 16 ε of f32, of
 * the lowest one. The result is left in the oracle's parameters.
 *
 * Memory: 3 vectors of parameters, 2 of f64, and what solves: d × d and two copies of f64 for `dense`, the factor in
 * f64 for `lowrank`, 6 vectors for `product`.
 *
 * Source: Semenov, Jaggi and Doikov 2025, algorithm 1.
 *
 * @example
 * const { value, status } = await gnsMinimize(logSumExp(a, b, { params: [x] }));
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options and what is no oracle, for a value or a gradient
 * at the start that is not finite, for a curvature that is not, and for what its functions throw; ERR_DISPOSED if they
 * dispose of what they are
 * given; ERR_MEMORY; the signal's reason when aborted. The parameters are then as before
 */
export async function gnsMinimize(oracle: GnsOracle, options: GnsOptions = {}): Promise<GnsResult> {
  const where = 'gnsMinimize';
  checkGnsOracle(where, oracle);
  const given = readOptions(where, options, schema);
  const { params } = oracle;
  const { device, dtype } = params[0]!;
  using task = new Task<GnsProgress>(device, given);
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const restore = saved(params, owned);
  const history: number[] = [];
  try {
    const size = params.reduce((sum, one) => sum + one.size, 0);
    const [point, gradient] = [vectors.like(params, owned), vectors.like(params, owned)];
    vectors.copy(queue, params, point);
    const make = (): Tensor => owned.add(new Tensor(device, [size, 1], 'f64'));
    const [g, step] = [make(), make()];
    const single = owned.add(new Tensor(device, [size, 1], dtype));
    const number = owned.add(vectors.scalar(device));
    const products = owned.add(new Tensor(device, [2], 'f64'));
    ops.fill(queue, { x: [single] });
    const system = systemOf(where, task as unknown as Task<never>, oracle, owned, given);
    const parts = partsOf(single, params, owned);

    /** The value, the norm of the gradient and its product with the step, at the parameters as they are. */
    const evaluate = async (): Promise<[number, number, number]> => {
      const lent = [...params, ...gradient, number];
      await callback(task as unknown as Task<never>, `${where}: oracle.gradient`, lent, () =>
        oracle.gradient(gradient, number, given.sample),
      );
      vectors.dots(queue, [[gradient, gradient], [gradient, parts]], products); // biome-ignore format: one line
      const [[value], [squared, along]] = (await task.readAll(number, products)) as unknown as [[number], [number, number]]; // biome-ignore format: one line
      return [value, Math.sqrt(squared), along];
    };
    const pack = (): void => {
      ops.copy(queue, { x: gradient, out: parts });
      ops.cast(queue, { x: [single], out: [g] });
    };

    let [value, gradNorm] = await evaluate();
    for (const start of [value, gradNorm]) checkFinite(`${where}: oracle.gradient at the start`, start);
    pack();
    let gamma = given.gamma0;
    let [iterations, solves] = [0, 0];
    let [toHalve, hiddenLeft] = [gradNorm, mostHidden];
    let lowest = value;
    // The gradient has been seen to lead down.
    let isTrusted = false;
    const end = (status: SolverStatus): GnsResult => {
      vectors.copy(queue, point, params);
      const result = { value, gradNorm, status, iterations, solves, gamma };
      return given.history ? { ...result, history: Float64Array.from(history) } : result;
    };
    for (;;) {
      if (given.history) history.push(value);
      task.report({ iterations, value, gradNorm });
      if (gradNorm <= given.gradTol || value <= (given.stopValue ?? -Infinity)) return end('converged');
      if (iterations >= given.maxIterations) return end('max-iterations');
      if (hiddenLeft <= 0) return end('at-precision');
      await system.begin();
      let [isTaken, isHidden] = [false, false];
      let mayHide: boolean | undefined;
      for (let trial = 0; trial < given.maxInner && !isTaken; ++trial) {
        const lambda = gradNorm / gamma;
        solves += 1;
        if (await system.solve(lambda, g, step)) {
          ops.cast(queue, { x: [step], out: [single] });
          vectors.combine(queue, params, [1, point], [1, parts]);
          const [next, nextNorm, along] = await evaluate();
          if (next === -Infinity) return end('diverged');
          const promised = nextNorm ** 2 / (8 * lambda);
          isHidden = Math.abs(value - next) <= valueRounding[dtype as 'f32' | 'f64'] * Math.abs(value);
          mayHide ??= isTrusted || isHidden;
          isHidden &&= mayHide;
          // The value of a convex function falls by at least −g₊·s, which rounding does not hide.
          const gain = isHidden ? -along : value - next;
          const highest = isHidden ? lowest + valueRounding[dtype as 'f32' | 'f64'] * Math.abs(lowest) : value;
          isTaken = next <= highest && Number.isFinite(nextNorm) && gain >= promised;
          if (isTaken) {
            isTrusted ||= !isHidden;
            [value, gradNorm, lowest] = [next, nextNorm, Math.min(lowest, next)];
            vectors.copy(queue, params, point);
          }
        }
        gamma = isTaken ? Math.max(2 * gamma, leastGamma) : gamma / 2;
      }
      if (!isTaken) return end(isHidden ? 'at-precision' : 'search-failed');
      pack();
      iterations += 1;
      if (gradNorm <= toHalve / 2) [toHalve, hiddenLeft] = [gradNorm, mostHidden];
      else if (isHidden) hiddenLeft -= 1;
    }
  } catch (error) {
    restore();
    throw error;
  }
}

/** The parts of a flat vector, in the shapes of the parameters. */
function partsOf(vector: Tensor, params: readonly Tensor[], owned: Owned<Tensor>): readonly Tensor[] {
  let end = 0;
  return params.map(({ size, shape }) => {
    const rows = owned.add(vector.rows(end, end + size));
    end += size;
    return owned.add(rows.reshape(shape));
  });
}
