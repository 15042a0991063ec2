import { callback, checkNumber } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { Owned } from '../core/owned.ts';
import {
  count,
  flag,
  notNegative,
  optional,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  whole,
} from '../core/schema.ts';
import { Task, type TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { checkOracle, type Oracle, saved, valueRounding } from './oracle.ts';
import type { SolverStatus } from './status.ts';

/**
 * The proximal operator of a convex function g: x = argmin over z of g(z) + ‖z − x‖² / (2 `step`), in place, queued on
 * the device. Of a constraint it is the projection, whatever the step. The tensors are the oracle's parameters.
 */
export type ProximalOperator = (x: readonly Tensor[], step: number) => void | Promise<void>;

/** Progress of {@link fista}, told after each step. */
export interface FistaProgress {
  /** Steps taken. */
  readonly iterations: number;
  /** The smooth function's value. */
  readonly value: number;
  /** The length of the last step, over `step`. */
  readonly residualNorm: number;
  /** The step size. */
  readonly step: number;
}

/** Options of {@link fista}. */
export interface FistaOptions extends TaskOptions<FistaProgress> {
  /**
   * The residual norm that is enough, the length of a step over its size: the norm of the gradient where g is 0.
   * Finite, not negative. Default: 1e-5.
   */
  tol?: number | undefined;
  /** Steps: whole, from 1 on. Default: 1000. */
  maxIterations?: number | undefined;
  /** The first step size, above 0; it shrinks where it is too long. Default: so that the step is as long as 1 + |x|. */
  step?: number | undefined;
  /** The mini-batch that the oracle is asked about: whole, from 0 on. Default: none. */
  sample?: number | undefined;
  /** True: the result has the residual norm of each step. Default: false. */
  history?: boolean | undefined;
}

/** The end of {@link fista}; the minimum is in the oracle's parameters. */
export interface FistaResult {
  /** The smooth function's value. */
  readonly value: number;
  /** The length of the last step, over its size. */
  readonly residualNorm: number;
  /**
   * `'converged'`; `'max-iterations'`; `'at-precision'` where rounding hides further descent; `'search-failed'` where
   * no step size is short enough, as of a gradient that is wrong; `'diverged'` where the value is −infinity.
   */
  readonly status: SolverStatus;
  /** Steps taken. */
  readonly iterations: number;
  /** Values computed, those beside a gradient too. */
  readonly evaluations: number;
  /** The number of times that the momentum was dropped. */
  readonly restarts: number;
  /** The last step size: about the inverse of the largest curvature. */
  readonly step: number;
  /** The residual norm of each step, if it was asked for. */
  readonly history?: Float64Array;
}

const schema: Schema<Resolved<FistaOptions, 'step' | 'sample' | 'history' | 'signal' | 'onProgress'>> = {
  tol: notNegative(1e-5),
  maxIterations: count(1000),
  step: optional(positive(1)),
  sample: optional(whole(0, 0, 2 ** 53 - 1)),
  history: optional(flag(false)),
  ...watchers<FistaProgress>(),
};

/** Step sizes that are tried in one step. */
const mostTrials = 60;
/** After so many, a step whose gain rounding hides means that the gradient is wrong. */
const mostHiddenTrials = 10;
/** A step size that was too long is followed by at most this share of it, … */
const mostShare = 0.5;
/** … one that led to no value by this, … */
const shareOfNone = 0.01;
/** … and the first one, if it was short, by one at most so many times longer. */
const mostGrowth = 100;
/** Steps in which the residual norm must halve, once rounding hides what they gain. */
const mostHidden = 100;

/** The numbers of one trial of a step size. */
interface Trial {
  /** The smooth function where the step began, and where it ended. */
  readonly from: number;
  readonly to: number;
  /** ⟨gradient, step⟩, |step|², and the product of the step with the one before. */
  readonly slope: number;
  readonly square: number;
  readonly along: number;
}

/**
 * Minimizes f + g, where an oracle gives the smooth function f and a proximal operator stands for the convex function
 * g, such as a norm or a constraint: proximal gradient steps with momentum. A step size that f's curvature does not
 * allow shrinks; momentum that leads uphill is dropped, and the step may double then. The result is left in the
 * oracle's parameters. Vectors stay on the device, and a few numbers are read once for each step size tried. A value of
 * infinity is a step too far.
 *
 * Memory: 6 times the parameters.
 *
 * Source: Beck and Teboulle 2009; the restart: O'Donoghue and Candès 2015, by the gradient.
 *
 * @example
 * const { value, status } = await fista(oracle, ([x]) => project.simplex(x!));
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE for options and what is no oracle, for NaN and for what
 * functions throw; ERR_DISPOSED if they dispose of what they are given; the signal's reason when aborted. The
 * parameters are then as before
 */
export async function fista(oracle: Oracle, prox: ProximalOperator, options: FistaOptions = {}): Promise<FistaResult> {
  const where = 'fista';
  checkOracle(where, oracle);
  check.callable(where, 'prox', prox);
  const given = readOptions(where, options, schema);
  using task = new Task<FistaProgress>(oracle.params[0]!.device, given);
  using owned = new Owned<Tensor>();
  const restore = saved(oracle.params, owned);
  try {
    return await new Fista(task, oracle, prox, given, owned).run();
  } catch (error) {
    restore();
    throw error;
  }
}

class Fista {
  readonly #task: Task<FistaProgress>;
  readonly #oracle: Oracle;
  readonly #prox: ProximalOperator;
  readonly #options: Resolved<FistaOptions, 'step' | 'sample' | 'history' | 'signal' | 'onProgress'>;
  /** The last point, that with momentum where a step begins, the gradient there, the step, and that between points. */
  readonly #point: readonly Tensor[];
  readonly #start: readonly Tensor[];
  readonly #gradient: readonly Tensor[];
  readonly #move: readonly Tensor[];
  readonly #advance: readonly Tensor[];
  readonly #from: Tensor;
  readonly #to: Tensor;
  readonly #products: Tensor;
  #step: number | undefined;
  #evaluations = 0;

  constructor(
    task: Task<FistaProgress>,
    oracle: Oracle,
    prox: ProximalOperator,
    options: Resolved<FistaOptions, 'step' | 'sample' | 'history' | 'signal' | 'onProgress'>,
    owned: Owned<Tensor>,
  ) {
    this.#task = task;
    this.#oracle = oracle;
    this.#prox = prox;
    this.#options = options;
    this.#step = options.step;
    const like = () => vectors.like(oracle.params, owned);
    [this.#point, this.#start, this.#gradient, this.#move, this.#advance] = [like(), like(), like(), like(), like()];
    [this.#from, this.#to] = [owned.add(vectors.scalar(task.device)), owned.add(vectors.scalar(task.device))];
    this.#products = owned.add(new Tensor(task.device, [3], 'f64'));
  }

  async run(): Promise<FistaResult> {
    const { tol, maxIterations, history } = this.#options;
    const { queue } = this.#task;
    const { params } = this.#oracle;
    const residualNorms: number[] = [];
    let [momentum, iterations, restarts, hidden, toHalve] = [1, 0, 0, 0, Infinity];
    let value = NaN; // where the parameters are
    vectors.copy(queue, params, this.#point);
    for (;;) {
      vectors.copy(queue, params, this.#start);
      await this.#call('oracle.gradient', [...this.#gradient, this.#from], () =>
        this.#oracle.gradient(this.#gradient, this.#from, this.#options.sample),
      );
      const { trial, step, isHidden, shrank, failed } = await this.#search();
      const residualNorm = Math.sqrt(trial.square) / step;
      if (momentum === 1) value = trial.from;
      const end = (status: SolverStatus): FistaResult => ({
        value,
        residualNorm,
        status,
        iterations,
        evaluations: this.#evaluations,
        restarts,
        step,
        ...(history && { history: Float64Array.from(residualNorms) }),
      });
      if (!Number.isFinite(trial.from) || !Number.isFinite(trial.to)) {
        if (trial.to === -Infinity || trial.from === -Infinity) {
          value = -Infinity;
          return end('diverged');
        }
        vectors.copy(queue, this.#point, params);
        if (momentum === 1) return end('search-failed');
        // The momentum led to where there is no value.
        [momentum, restarts] = [1, restarts + 1];
        continue;
      }
      if (failed) {
        vectors.copy(queue, this.#point, params);
        return end('search-failed');
      }
      iterations += 1;
      value = trial.to;
      residualNorms.push(residualNorm);
      this.#task.report({ iterations, value, residualNorm, step });
      if (residualNorm <= tol) return end('converged');
      if (residualNorm <= toHalve / 2) [toHalve, hidden] = [residualNorm, 0];
      else if (isHidden) hidden += 1;
      if (hidden >= mostHidden) return end('at-precision');
      if (iterations >= maxIterations) return end('max-iterations');
      const isUphill = trial.along < 0;
      if (isUphill) {
        [momentum, restarts] = [1, restarts + 1];
        if (!isHidden && !shrank) this.#step = 2 * step;
        vectors.copy(queue, params, this.#point);
        continue;
      }
      const next = (1 + Math.sqrt(1 + 4 * momentum * momentum)) / 2;
      const share = (momentum - 1) / next;
      momentum = next;
      vectors.copy(queue, params, this.#point);
      vectors.axpy(queue, share, this.#advance, params);
    }
  }

  /** Tries step sizes from where the step begins; the parameters are where the last one led. */
  async #search(): Promise<{ trial: Trial; step: number; isHidden: boolean; shrank: boolean; failed: boolean }> {
    let canGrow = this.#step === undefined;
    let step = this.#step ?? (await this.#firstStep());
    let shrank = false;
    for (let i = 1; ; ++i) {
      const trial = await this.#try(step);
      const { from, to, slope, square } = trial;
      // f where the step ended, above its tangent; it must lie below a parabola.
      const bend = to - from - slope;
      const lost = valueRounding[this.#point[0]!.dtype as 'f32' | 'f64'] * Math.abs(from);
      const fits = bend <= square / (2 * step) + lost;
      // This many times the step size is right where f is a parabola itself along the step.
      const share = square / (2 * bend) / step;
      const grows = fits && canGrow && bend > lost && share >= 2;
      const hasNoValue = !Number.isFinite(from) || to === -Infinity;
      this.#step = step;
      const isHidden = square / (2 * step) <= lost;
      if (hasNoValue || (fits && !grows) || i === mostTrials) {
        const failed = !hasNoValue && (!fits || (isHidden && i > mostHiddenTrials));
        return { trial, step, isHidden, shrank, failed };
      }
      if (!fits) [canGrow, shrank] = [false, true];
      step *= bend === Infinity ? shareOfNone : Math.min(grows ? mostGrowth : mostShare, share);
    }
  }

  async #try(step: number): Promise<Trial> {
    const { queue } = this.#task;
    const { params } = this.#oracle;
    vectors.combine(queue, params, [1, this.#start], [-step, this.#gradient]);
    await this.#call('prox', [], () => this.#prox(params, step));
    await this.#call('oracle.value', [this.#to], () => this.#oracle.value(this.#to, this.#options.sample));
    this.#evaluations += 1;
    vectors.combine(queue, this.#move, [1, params], [-1, this.#start]);
    vectors.combine(queue, this.#advance, [1, params], [-1, this.#point]);
    vectors.dots(queue, [[this.#gradient, this.#move], [this.#move, this.#move], [this.#move, this.#advance]], this.#products); // biome-ignore format: one line
    const [products, [from], [to]] = (await this.#task.readAll(this.#products, this.#from, this.#to)) as unknown as [
      [number, number, number],
      [number],
      [number],
    ];
    const [slope, square, along] = products;
    checkNumber('fista: oracle.gradient', from);
    checkNumber('fista: oracle.value', to);
    if (Number.isNaN(slope + square)) await this.#blame();
    return { from, to, slope, square, along };
  }

  /** @throws ERR_ARGUMENT that names who gave NaN */
  async #blame(): Promise<void> {
    vectors.dot(this.#task.queue, this.#gradient, this.#gradient, this.#to);
    const [square] = await this.#task.read(this.#to);
    checkNumber('fista: oracle.gradient', square!);
    checkNumber('fista: prox', NaN);
  }

  /** A step size with which the first step is as long as 1 + |x|, if nothing holds it back. */
  async #firstStep(): Promise<number> {
    vectors.dots(this.#task.queue, [[this.#gradient, this.#gradient], [this.#start, this.#start], [this.#start, this.#gradient]], this.#products); // biome-ignore format: one line
    const [slope, size] = await this.#task.read(this.#products);
    checkNumber('fista: oracle.gradient', slope!);
    const step = (1 + Math.sqrt(size!)) / Math.sqrt(slope!);
    return step > 0 && step < Infinity ? step : 1;
  }

  async #call(name: string, lent: readonly Tensor[], call: () => void | Promise<void>): Promise<void> {
    if (name === 'oracle.gradient') this.#evaluations += 1;
    await callback(this.#task as Task<never>, `fista: ${name}`, [...this.#oracle.params, ...lent], call);
  }
}
