import { callback, checkFinite } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isListOf, isRecord } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import {
  also,
  count,
  nested,
  optional,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  watchers,
  word,
} from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { saved } from '../solvers/oracle.ts';
import type { SolverStatus } from '../solvers/status.ts';

/** A search for the length of inner steps by Armijo's condition. */
export interface SurrogateSearchOptions {
  /** Share of what the slope promises that a step must gain: in (0, 1]. Default: 0.5. */
  c?: number | undefined;
  /** Factor of a length that is too long: in (0, 1), and so that it gets shorter. Default: 0.9. */
  beta?: number | undefined;
  /** Factor of the length from one inner step to the next: > 0. Default: 1.8. */
  expand?: number | undefined;
  /**
   * Length of the first trial of each outer step: > 0. Where `trials` are too few to shorten it enough, the search goes
   * on from twice the length at which a parabola through that trial is lowest. Default: 10.
   */
  first?: number | undefined;
  /** Lengths that are tried for a step: whole, from 1 on. Default: 100. */
  trials?: number | undefined;
}

/** Options of {@link TargetSurrogate}. */
export interface TargetSurrogateOptions {
  /** The step η towards the targets: > 0. It has no default. */
  targetStep: number;
  /** Inner steps of each outer one: whole, from 1 on. Default: 1. */
  inner?: number | undefined;
  /**
   * The step towards the targets at outer step t, from 1 on: η itself, η / √t, or η · T^(−t/T) with T = `horizon`.
   * Default: `constant`.
   */
  schedule?: 'constant' | 'sqrt' | 'exp' | undefined;
  /** Outer steps of the schedule `exp`: whole, from 1 on. Default: none; only `exp` takes it. */
  horizon?: number | undefined;
  /** The search for the length of inner steps. Default: as the authors'. */
  lineSearch?: SurrogateSearchOptions | undefined;
}

/** A model as {@link TargetSurrogate} takes it: targets z of its parameters, and products with their derivative. */
export interface SurrogateModel {
  /** The parameters, f32 or f64, on one device. */
  readonly params: readonly Tensor[];
  /** The shape of z. */
  readonly targets: readonly number[];
  /** z = the targets at the parameters as they are. */
  forward(z: Tensor): void | Promise<void>;
  /** gradsₚ = the derivative of ⟨u, z⟩ by paramsₚ. */
  vjp(u: Tensor, grads: readonly Tensor[]): void | Promise<void>;
}

/** Options of {@link TargetSurrogate.step}. */
export interface SurrogateStepOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

/** The result of {@link TargetSurrogate.step}. */
export interface SurrogateStep {
  /** The surrogate at the parameters: an upper bound of the loss if η is small enough. */
  readonly surrogate: number;
  /** Inner steps taken. */
  readonly innerSteps: number;
  /** Lengths that were too long. */
  readonly backtracks: number;
  /**
   * `'max-iterations'` after all inner steps; `'converged'` where the surrogate's gradient is 0; `'at-precision'` where
   * rounding hides what is left to gain; `'search-failed'` where no length was short enough.
   */
  readonly status: SolverStatus;
}

type SearchSettings = Resolved<SurrogateSearchOptions>;
type Settings = Resolved<Omit<TargetSurrogateOptions, 'lineSearch'>, 'horizon'> & { lineSearch: SearchSettings };
const searchSchema: Schema<SearchSettings> = {
  c: positive(0.5, 1),
  beta: also(positive(0.9, 1), (x) => (x === 1 ? 'must be below 1' : undefined)),
  expand: positive(1.8),
  first: positive(10),
  trials: count(100),
};
const schema: Schema<Settings> = {
  targetStep: required(positive(1)),
  inner: count(1),
  schedule: word(['constant', 'sqrt', 'exp'], 'constant'),
  horizon: optional(count(1)),
  lineSearch: nested(searchSchema),
};
/** A share of targets that is rounding. */
const rounding = { f32: 16 * 2 ** -23, f64: 16 * 2 ** -52 };
const stepSchema: Schema<{ signal: AbortSignal | undefined }> = { signal: watchers<never>().signal };

/**
 * Several cheap steps for each call of a loss that is dear: with q the derivative of the loss by the targets z of a
 * model, at z₀, gradient steps with a line search go down the surrogate ℓ + ⟨q, z − z₀⟩ + |z − z₀|² / (2η), which asks
 * the model alone. For η up to the inverse of the loss's smoothness in z it bounds the loss from above, which then
 * never rises. For many inner steps of a linear model that is a projected gradient step in the space of targets.
 *
 * Source: Lavington, Vaswani, Babanezhad, Schmidt and Le Roux 2023; η is the paper's, of which the authors' program
 * takes the inverse, and half.
 *
 * @example
 * const surrogate = new TargetSurrogate({ targetStep: 4 * samples, inner: 5 });
 * const { status } = await surrogate.step(model, (z, gradOut) => expensiveLoss(z, gradOut));
 */
export class TargetSurrogate {
  readonly #options: Settings;
  #steps = 0;
  #isStepping = false;

  /** @throws ERR_ARGUMENT for options out of range, and for a horizon without the schedule `exp` or the other way */
  constructor(options: TargetSurrogateOptions) {
    const where = 'TargetSurrogate';
    const given = readOptions(where, options, schema as Schema<TargetSurrogateOptions>) as Settings;
    const { schedule, horizon } = given;
    if ((schedule === 'exp') !== (horizon !== undefined))
      throw refusal(where, 'horizon', schedule === 'exp' ? 'be given' : "be left out but for 'exp'", shown(horizon));
    this.#options = { ...given, lineSearch: readOptions(where, given.lineSearch, searchSchema, 'lineSearch') };
  }

  /** Outer steps so far; the schedule goes by it. */
  get steps(): number {
    return this.#steps;
  }

  /** Goes on from another object's number of steps. @throws ERR_STATE for what is no count */
  restore(steps: number): void {
    if (!(Number.isSafeInteger(steps) && steps >= 0))
      throw refusal('TargetSurrogate.restore', 'steps', 'be a whole number from 0 on', shown(steps), 'ERR_STATE');
    this.#steps = steps;
  }

  /**
   * One outer step: one call of the loss, and `inner` steps of the model, whose parameters it changes. One call at a
   * time. A failed call changes nothing.
   *
   * @param model Its functions work at the parameters as they are, and are asked for trials too.
   * @param targetGrad The loss at z and, in gradOut, its derivative by z: the value, or a promise of it.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for what is no model or function, for NaN and infinity where
   * the step begins, and for what functions throw; ERR_DISPOSED if they dispose of what they are given; ERR_STATE while
   * another call runs; ERR_MEMORY; the signal's reason when aborted
   */
  async step(
    model: SurrogateModel,
    targetGrad: (z: Tensor, gradOut: Tensor) => number | Promise<number>,
    options: SurrogateStepOptions = {},
  ): Promise<SurrogateStep> {
    const where = 'TargetSurrogate.step';
    checkModel(where, model);
    check.callable(where, 'targetGrad', targetGrad);
    const { signal } = readOptions(where, options, stepSchema);
    if (this.#isStepping)
      throw new OrthokitError('ERR_STATE', `${where}: must be awaited before the next call, got a call in a call`);
    this.#isStepping = true;
    try {
      const result = await this.#step(where, model, targetGrad, signal);
      this.#steps += 1;
      return result;
    } finally {
      this.#isStepping = false;
    }
  }

  /** η of the step that comes. */
  get #targetStep(): number {
    const { targetStep, schedule, horizon = 1 } = this.#options;
    const t = this.#steps + 1;
    if (schedule === 'constant') return targetStep;
    return schedule === 'sqrt' ? targetStep / Math.sqrt(t) : targetStep * horizon ** (-t / horizon);
  }

  async #step(
    where: string,
    model: SurrogateModel,
    targetGrad: (z: Tensor, gradOut: Tensor) => number | Promise<number>,
    signal: AbortSignal | undefined,
  ): Promise<SurrogateStep> {
    const { params, targets } = model;
    const { inner, lineSearch } = this.#options;
    const { c, beta, expand, first, trials } = lineSearch;
    const eta = this.#targetStep;
    const { device, dtype } = params[0]!;
    using task = new Task<never>(device, { signal });
    using owned = new Owned<Tensor>();
    const { queue } = task;
    const restore = saved(params, owned);
    try {
      const make = (): Tensor => owned.add(new Tensor(device, targets, dtype));
      const [start, q, z, away, u] = [make(), make(), make(), make(), make()];
      const [point, grads] = [vectors.like(params, owned), vectors.like(params, owned)];
      const numbers = owned.add(new Tensor(device, [2], 'f64'));
      const square = owned.add(vectors.scalar(device));
      const forward = (out: Tensor): Promise<void> =>
        callback(task, `${where}: model.forward`, [out, ...params], () => model.forward(out));
      /** |z − z₀|² at the last trial. */
      let moved = 0;
      /** The surrogate's change at the parameters as they are. */
      const changeOf = async (): Promise<number> => {
        await forward(z);
        vectors.combine(queue, away, [1, z], [-1, start]);
        vectors.dots(queue, [[q, away], [away, away]], numbers); // biome-ignore format: one line
        const [slope, length] = (await task.read(numbers)) as unknown as [number, number];
        moved = length;
        return slope + length / (2 * eta);
      };

      const sizeOf = async (x: Tensor): Promise<number> => {
        vectors.dot(queue, x, x, square);
        return (await task.read(square))[0]!;
      };
      await forward(start);
      const size = await sizeOf(start);
      checkFinite(`${where}: model.forward`, size);
      // One that is not written is found out.
      ops.fill(queue, { x: [q], value: Number.NaN });
      let loss = Number.NaN;
      await callback(task, `${where}: targetGrad`, [start, q], async () => {
        loss = await targetGrad(start, q);
      });
      if (typeof loss !== 'number') throw refusal(where, 'targetGrad', 'give a number', shown(loss));
      checkFinite(`${where}: targetGrad`, loss);
      const slopes = await sizeOf(q);
      checkFinite(`${where}: targetGrad`, slopes);

      vectors.copy(queue, params, point);
      let [change, length, innerSteps, backtracks] = [0, first, 0, 0];
      const end = (status: SolverStatus): SurrogateStep => {
        vectors.copy(queue, point, params);
        return { surrogate: loss + change, innerSteps, backtracks, status };
      };
      vectors.copy(queue, start, z);
      /** The change of the surrogate by the rounding of targets. */
      const noise = (): number => {
        const away = Math.sqrt(moved);
        return rounding[dtype as 'f32' | 'f64'] * (Math.sqrt(slopes) + away / eta) * (Math.sqrt(size) + away);
      };
      let lastLength: number | undefined;
      for (; innerSteps < inner; length *= expand) {
        vectors.combine(queue, u, [1, q], [1 / eta, z], [-1 / eta, start]);
        await callback(task, `${where}: model.vjp`, [u, ...grads, ...params], () => model.vjp(u, grads));
        vectors.dot(queue, grads, grads, square);
        const descent = (await task.read(square))[0]!;
        checkFinite(`${where}: model.vjp`, descent);
        if (descent === 0) return end('converged');
        let isTaken = false;
        const longest = lastLength ?? length;
        for (let trial = 0; trial < trials && !isTaken; ++trial) {
          vectors.combine(queue, params, [1, point], [-length, grads]);
          const next = await changeOf();
          isTaken = next <= change - c * length * descent;
          if (isTaken) [change, lastLength] = [next, length];
          else {
            const lowest = (descent * length ** 2) / (2 * (next - change + length * descent));
            const isBeyond = lowest > 0 && 2 * lowest < length * beta ** (trials - 1);
            length = trial === 0 && isBeyond ? 2 * lowest : length * beta;
            backtracks += 1;
          }
        }
        if (!isTaken) return end(longest * descent <= noise() ? 'at-precision' : 'search-failed');
        vectors.copy(queue, params, point);
        innerSteps += 1;
      }
      return end('max-iterations');
    } catch (error) {
      restore();
      throw error;
    }
  }
}

function checkModel(where: string, model: SurrogateModel): void {
  if (!isRecord(model)) throw refusal(where, 'model', 'be a model', shown(model));
  const { params, targets } = model as SurrogateModel;
  if (!isListOf(params, isTensor) || params.length === 0)
    throw refusal(where, 'model.params', 'be a list of tensors', Array.isArray(params) ? 'another one' : shown(params));
  const { device } = params[0]!;
  for (const [i, one] of params.entries())
    check.tensor(where, `model.params[${i}]`, one, { dtypes: check.arithmetic, filled: true, device });
  for (const [i, one] of params.entries())
    if (one.dtype !== params[0]!.dtype)
      throw refusal(where, `model.params[${i}]`, `be ${params[0]!.dtype}`, one.dtype, 'ERR_DTYPE');
  if (!Array.isArray(targets) || targets.length > 5 || !targets.every((size) => Number.isSafeInteger(size) && size > 0))
    throw refusal(where, 'model.targets', 'be a shape with elements', shown(targets), 'ERR_SHAPE');
  for (const name of ['forward', 'vjp'] as const)
    if (typeof model[name] !== 'function') throw refusal(where, 'model', `have a function ${name}`, shown(model[name]));
}
