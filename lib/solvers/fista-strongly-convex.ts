import { called, checkFinite } from '../core/callbacks.ts';
import { epsilonOf } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import type { Lane } from '../core/lane.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import {
  count,
  optional,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  watchers,
  whole,
} from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { checkOracle, type Oracle, saved } from './oracle.ts';
import type { SolverStatus } from './status.ts';

/** Progress of {@link fistaStronglyConvex}, told after each test. */
export interface FistaStronglyConvexProgress {
  /** Steps taken. */
  readonly iterations: number;
  /** The distance to the minimum is at most this. */
  readonly error: number;
}

/** Options of {@link fistaStronglyConvex}. */
export interface FistaStronglyConvexOptions extends TaskOptions<FistaStronglyConvexProgress> {
  /** μ: the function is μ-strongly convex; positive. It has no default. */
  mu: number;
  /** L: its gradient is L-Lipschitz; from `mu` on. It has no default. */
  lipschitz: number;
  /** The distance to the minimum that is enough: positive. Default: 1e-6. */
  accuracy?: number | undefined;
  /** Steps: whole, from 1 on. Default: 10,000. */
  maxIterations?: number | undefined;
  /** The mini-batch that the oracle is asked about: whole, from 0 on. Default: none. */
  sample?: number | undefined;
}

/** The end of {@link fistaStronglyConvex}; the minimum is in the oracle's parameters. */
export interface FistaStronglyConvexResult {
  /**
   * `'converged'`; `'max-iterations'`; `'at-precision'` where rounding hides the accuracy asked for, as gradients
   * that do not shrink as they must tell; `'diverged'` where they grow beyond what `mu` and `lipschitz` allow.
   */
  readonly status: SolverStatus;
  /** The distance of the parameters to the minimum is at most this. */
  readonly error: number;
  /** Steps taken; there is one gradient more. */
  readonly iterations: number;
}

/** The function that is minimized, from where the parameters are, in place. */
export interface StronglyConvexProblem {
  readonly params: readonly Tensor[];
  /** Queues the gradient at the parameters. */
  gradient(out: readonly Tensor[]): Promise<void> | undefined;
  /** Begins the messages about it. */
  readonly named: string;
  readonly mu: number;
  readonly lipschitz: number;
  readonly accuracy: number;
  readonly maxIterations: number;
  readonly tell?: (progress: FistaStronglyConvexProgress) => void;
  /** True: gradients that are not finite end it as diverged, and do not throw. */
  readonly mayLeave?: boolean;
}

const schema: Schema<Resolved<FistaStronglyConvexOptions, 'sample' | 'signal' | 'onProgress'>> = {
  mu: required(positive(1)),
  lipschitz: required(positive(1)),
  accuracy: positive(1e-6),
  maxIterations: count(10_000),
  sample: optional(whole(0, 0, 2 ** 53 - 1)),
  ...watchers<FistaStronglyConvexProgress>(),
};

/** Rounding of a gradient, relative to L |x|: so many times that of the dtype. */
const roundings = 4;
/** A gradient that is so many times longer than the first one may be on its way to infinity. */
const mostGrowth = 10;
/** Steps between two tests at most. */
const mostSteps = 16;

/** The length of what rounding makes of a gradient. */
export const gradientRounding = (dtype: Tensor['dtype'], lipschitz: number, size: number): number =>
  roundings * epsilonOf(dtype) * lipschitz * size;

/**
 * Minimizes a smooth function that is strongly convex, to a distance from the minimum that is guaranteed: by gradients
 * with momentum, at a rate of 1 − √(μ / L) a step, until |∇f| / μ is small enough. What rounding may add to a gradient,
 * 4 ε L |x| with ε of the dtype, counts against the accuracy. The result is left in the oracle's parameters; two
 * numbers are read once a test, of which there is one in up to 16 steps.
 *
 * Memory: 4 times the parameters.
 *
 * Source: Beck and Teboulle 2009; its momentum for strongly convex functions: Chambolle and Pock 2016, algorithm 5.
 *
 * @example
 * const { error, status } = await fistaStronglyConvex(oracle, { mu: 1, lipschitz: 10, accuracy: 1e-8 });
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options and what is no oracle, for L below μ, for NaN and
 * infinity and for what functions throw; ERR_DISPOSED if they dispose of what they are given; the signal's reason when
 * aborted. The parameters are then as before
 */
export async function fistaStronglyConvex(
  oracle: Pick<Oracle, 'params' | 'gradient'>,
  options: FistaStronglyConvexOptions,
): Promise<FistaStronglyConvexResult> {
  const where = 'fistaStronglyConvex';
  checkOracle(where, oracle, ['gradient']);
  const { sample, signal, onProgress, ...given } = readOptions(where, options, schema);
  if (given.lipschitz < given.mu) throw refusal(where, 'lipschitz', `be at least mu, ${given.mu}`, given.lipschitz);
  const params = [...oracle.params];
  using task = new Task<FistaStronglyConvexProgress>(params[0]!.device, { signal, onProgress });
  using owned = new Owned<Tensor>();
  const restore = saved(params, owned);
  const named = `${where}: oracle.gradient`;
  try {
    return await new StronglyConvexDescent(task, params, owned).run({
      ...given,
      params,
      named,
      gradient: (out) =>
        called(named, [...params, ...out], () => oracle.gradient(out, undefined, sample), task as Task<never>),
      tell: (progress) => task.report(progress),
    });
  } catch (error) {
    restore();
    throw error;
  }
}

/** The method with its buffers, for those that minimize again and again. */
export class StronglyConvexDescent {
  readonly #task: Lane;
  readonly #gradient: readonly Tensor[];
  #last: readonly Tensor[];
  #next: readonly Tensor[];
  readonly #norms: Tensor;

  constructor(task: Lane, like: readonly Tensor[], owned: Owned<Tensor>) {
    this.#task = task;
    [this.#gradient, this.#last, this.#next] = [vectors.like(like, owned), vectors.like(like, owned), vectors.like(like, owned)]; // biome-ignore format: one line
    this.#norms = owned.add(new Tensor(like[0]!.device, [2 * like.length], 'f64'));
  }

  async run(problem: StronglyConvexProblem): Promise<FistaStronglyConvexResult> {
    const { params, mu, lipschitz, accuracy, maxIterations } = problem;
    const { queue } = this.#task;
    const [q, { dtype }] = [mu / lipschitz, params[0]!];
    /** The bound of theory: a gradient is never longer than the first one times this, which falls at the rate. */
    const most = 6 * q ** -1.5;
    const rate = Math.log1p(-Math.min(Math.sqrt(q), 1 - 2 ** -30));
    let [iterations, untilTest, momentum, first] = [0, 0, 1, Infinity];
    vectors.copy(queue, params, this.#last);
    for (;;) {
      const wait = problem.gradient(this.#gradient);
      if (wait) await wait;
      if (untilTest === 0 || iterations === maxIterations) {
        const { norm, size } = await this.#measure(params);
        if (problem.mayLeave && !Number.isFinite(norm + size))
          return { status: 'diverged', error: Infinity, iterations };
        checkFinite(problem.named, norm + size);
        if (iterations === 0) first = norm;
        const rounding = gradientRounding(dtype, lipschitz, size);
        const error = (norm + rounding) / mu;
        problem.tell?.({ iterations, error });
        const end = (status: SolverStatus): FistaStronglyConvexResult => ({ status, error, iterations });
        if (error <= accuracy) return end('converged');
        if (norm <= rounding) return end('at-precision');
        if (norm > most * first) return end('diverged');
        // Gradients that do not shrink at the rate are noise, unless they grow.
        const isLate = norm > most * first * Math.exp((rate * Math.max(0, iterations - 1)) / 2);
        if (isLate && norm <= mostGrowth * first) return end('at-precision');
        if (iterations === maxIterations) return end('max-iterations');
        // In the worst case so many steps are left.
        const left = Math.log(Math.max(mu * accuracy - rounding, rounding) / norm) / rate;
        untilTest = Math.min(Math.max(Math.floor(left / 2), 1), mostSteps);
      }
      vectors.combine(queue, this.#next, [1, params], [-1 / lipschitz, this.#gradient]);
      const square = momentum * momentum;
      const after = (1 - q * square + Math.sqrt((1 - q * square) ** 2 + 4 * square)) / 2;
      const share = q === 1 ? 0 : Math.max(0, ((momentum - 1) / after) * ((1 - after * q) / (1 - q)));
      momentum = after;
      vectors.combine(queue, params, [1 + share, this.#next], [-share, this.#last]);
      [this.#last, this.#next] = [this.#next, this.#last];
      [iterations, untilTest] = [iterations + 1, untilTest - 1];
    }
  }

  /** The lengths of the gradient and of the point. */
  async #measure(params: readonly Tensor[]): Promise<{ norm: number; size: number }> {
    // Not by squares, which may be beyond f64: a gradient of 1e-200 is not 0.
    ops.norms(this.#task.queue, { x: [...this.#gradient, ...params], out: this.#norms });
    const norms = [...(await this.#task.read(this.#norms))].map(Number);
    const [norm, size] = [Math.hypot(...norms.slice(0, params.length)), Math.hypot(...norms.slice(params.length))];
    return { norm, size };
  }
}
