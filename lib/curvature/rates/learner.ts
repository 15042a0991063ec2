import { refusal, shown } from '../../core/errors.ts';
import { checkOperator, type LinearOperator } from '../../core/operator.ts';
import { Owned } from '../../core/owned.ts';
import {
  count,
  flag,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  watchers,
  whole,
  word,
} from '../../core/schema.ts';
import { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import { type LanczosProgress, lanczosFrom } from '../../solvers/lanczos.ts';
import { fillNormal } from '../../solvers/operator.ts';
import { checkSymmetric } from '../../solvers/symmetry.ts';

/** Options of {@link LanczosLrLearner}. */
export interface LanczosLrOptions {
  /** Plain SGD, or SGD with heavy-ball momentum. It has no default. */
  mode: 'sgd' | 'heavyball';
  /** Steps of Lanczos: whole, from 1 to 1000. Default: 15. */
  steps?: number | undefined;
  /** Steps of training from one estimate to the next, the first one at step 0: whole, from 1 on. Default: 100. */
  every?: number | undefined;
  /** Share of the rate that is given: > 0. Default: 1. */
  safety?: number | undefined;
  /** Seed of the first vectors: whole, from 0 to 2³² − 1. Default: 0. */
  seed?: number | undefined;
  /** For `heavyball`, the least curvature that counts, as a share of the largest: in (0, 1]. Default: 1e-4. */
  floor?: number | undefined;
  /** Refuses operators that are not symmetric, by three products more an estimate. Default: false. */
  checkSymmetry?: boolean | undefined;
}

/** Options of {@link LanczosLrLearner.observe}. */
export interface LanczosLrObserveOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

/** The result of {@link LanczosLrLearner.observe}. */
export interface LearnedLr {
  /** The learning rate. */
  readonly lr: number;
  /** The momentum of the heavy-ball form, v ← momentum · v + g; 0 for plain SGD. */
  readonly momentum: number;
  /** The largest Ritz value. */
  readonly largest: number;
  /** The least positive Ritz value, held at `floor` times the largest. */
  readonly smallest: number;
}

type Settings = Resolved<LanczosLrOptions>;
const schema: Schema<Settings> = {
  mode: required(word(['sgd', 'heavyball'], 'sgd')),
  steps: whole(15, 1, 1000),
  every: count(100),
  safety: positive(1),
  seed: whole(0, 0, 2 ** 32 - 1),
  floor: positive(1e-4, 1),
  checkSymmetry: flag(false),
};
const observeSchema: Schema<{ signal: AbortSignal | undefined }> = { signal: watchers<never>().signal };

/**
 * Learning rates by the curvature of batches of the size that is trained with: with the largest and the least positive
 * Ritz values L and μ of some steps of Lanczos, `safety` · 2/L for SGD, and for heavy-ball momentum Polyak's optimum on
 * quadratic functions, rate `safety` · (2 / (√L + √μ))² and momentum ((√L − √μ) / (√L + √μ))².
 *
 * Source: Polyak 1964; after Granziol, Zohren and Roberts 2022, whose own schedule is another one.
 *
 * @example
 * const learner = new LanczosLrLearner({ mode: 'sgd' });
 * const learned = await learner.observe(step, flat(oracle, 'gauss-newton', step));
 * if (learned) optimizer.groups[0].lr = learned.lr;
 */
export class LanczosLrLearner {
  readonly #options: Settings;

  /** @throws ERR_ARGUMENT for options out of range */
  constructor(options: LanczosLrOptions) {
    this.#options = Object.freeze(readOptions('LanczosLrLearner', options, schema));
  }

  /**
   * The rate and the momentum at a step of training where an estimate is due; null where none is, and where the
   * operator has no positive curvature. It costs `steps` products.
   *
   * @param step Steps of training so far: whole, from 0 on.
   * @param operator The Hessian or the Gauss–Newton matrix of a batch.
   * @throws ERR_ARGUMENT for another step, for NaN of the operator and for what it throws; ERR_DTYPE, ERR_SHAPE for
   * what is no square operator; ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
   */
  async observe(
    step: number,
    operator: LinearOperator,
    options: LanczosLrObserveOptions = {},
  ): Promise<LearnedLr | null> {
    const where = 'LanczosLrLearner.observe';
    if (!(Number.isSafeInteger(step) && step >= 0))
      throw refusal(where, 'step', 'be a whole number from 0 on', shown(step));
    checkOperator(where, 'operator', operator, true);
    const { signal } = readOptions(where, options, observeSchema);
    const { mode, steps, every, safety, seed, floor, checkSymmetry } = this.#options;
    if (step % every !== 0) return null;
    using task = new Task<LanczosProgress>(operator.device, { signal });
    if (checkSymmetry) await checkSymmetric(where, task as unknown as Task<never>, operator);
    using owned = new Owned<Tensor>();
    const first = owned.add(new Tensor(operator.device, [operator.shape[0]], operator.dtype));
    fillNormal(task.queue, [first], seed, 0);
    const { ritz } = await lanczosFrom(where, task, operator, first, steps, owned);
    const largest = ritz.at(-1)!;
    if (!(largest > 0)) return null;
    const smallest = Math.max(floor * largest, ritz.find((value) => value > 0)!);
    if (mode === 'sgd') return { lr: (safety * 2) / largest, momentum: 0, largest, smallest };
    const [high, low] = [Math.sqrt(largest), Math.sqrt(smallest)];
    return {
      lr: safety * (2 / (high + low)) ** 2,
      momentum: ((high - low) / (high + low)) ** 2,
      largest,
      smallest,
    };
  }
}
