import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { RandomStream } from '../core/random.ts';
import { also, count, optional, positive, readOptions, required, type Schema, whole } from '../core/schema.ts';
import type { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { SolverStatus } from '../solvers/status.ts';
import { BlockDescent, type DescentOptions } from './measurement/blocks.ts';
import { checkDescent, FactorDescent, keepDescent } from './measurement/factor-descent.ts';
import { type FactorMeasurement, factorsOf, type MeasurementOperator } from './measurement/operator.ts';
import { elementSize } from './measurement/scale.ts';

/** Options of {@link SubGradientRecovery}. */
export interface SubGradientRecoveryOptions {
  /** Columns of the factor: whole, from 1 on; it may be above the matrix's rank. It has no default. */
  rank: number;
  /** Size of the start, alpha · N / √n. Above 0. Default: 1e-4. */
  alpha?: number | undefined;
  /** The first step size, above 0. Default: 0.25 over the root mean square of the elements of the Aᵢ. */
  step?: number | undefined;
  /** The factor of a step size from one step to the next, in (0, 1). Default: 0.993. */
  decay?: number | undefined;
  /** Seed of the start: whole, from 0 to 2⁵³ − 1. Default: 0. */
  seed?: number | undefined;
}

/** The result of {@link SubGradientRecovery.run}. */
export interface RecoveryResult {
  /** Mean |yᵢ − ⟨Aᵢ, U·Uᵀ⟩| of the factor as it is. */
  readonly loss: number;
  /** The share of measurements whose residual is above ten times the median one. */
  readonly outlierShare: number;
  /** `'max-iterations'` after the steps; `'diverged'` where numbers have left their range. */
  readonly status: Extract<SolverStatus, 'max-iterations' | 'diverged'>;
}

interface Given {
  rank: number;
  alpha: number;
  step: number | undefined;
  decay: number;
  seed: number;
}
const schema: Schema<Given> = {
  rank: required(count(1)),
  alpha: positive(1e-4),
  step: optional(positive(1)),
  decay: also(positive(0.993, 1), (x) => (x < 1 ? undefined : 'must be in (0, 1)')),
  seed: whole(0, 0, Number.MAX_SAFE_INTEGER),
};

const blockSize = 64;
const defaultStep = 0.25;
/** Times the median residual that are an outlier. */
const outlier = 10;

/**
 * A positive semidefinite matrix U·Uᵀ of low rank from measurements yᵢ = ⟨Aᵢ, U·Uᵀ⟩ of which some are grossly wrong:
 * the sub-gradient method for the mean absolute residual, from a start near 0. A step is U ← U − step·decayᵗ·D with D =
 * −(1/m) Σ sign(yᵢ − ⟨Aᵢ, U·Uᵀ⟩)·(Aᵢ + Aᵢᵀ)·U. U may have more columns than the matrix has rank.
 *
 * The sub-gradient does not get shorter, so the steps must: Σ step·decayᵗ has to carry U from `alpha` to its size, or
 * it freezes on the way; the larger the condition of the matrix, the nearer to 1 `decay` has to be. After 1600 steps of
 * the default the step is 1e-5 of the first.
 *
 * Memory: the factor four times, and the measurements twice; by an operator without `factors`, the matrix once.
 *
 * Source: Ma and Fattahi, arXiv 2202.08788, which has no program. From it: loss, small start, steps that shrink
 * geometrically. Ours: their constants, and the default step by the size of the Aᵢ.
 *
 * @example
 * const recovery = new SubGradientRecovery(measurement, y, { rank: 5 });
 * const { outlierShare } = await recovery.run(1600);
 * const factor = recovery.factor();
 */
export class SubGradientRecovery extends FactorDescent {
  readonly #measurement: MeasurementOperator;
  readonly #y: Tensor;
  readonly #options: Given;
  readonly #way: FactorMeasurement;
  readonly #descent: BlockDescent;
  readonly #residuals: Tensor;
  readonly #signs: Tensor;
  readonly #products: readonly [Tensor, Tensor];
  readonly #numbers: Tensor;
  #first: number | undefined;
  #last: Omit<RecoveryResult, 'status'> = { loss: NaN, outlierShare: NaN };

  /**
   * @param measurement A measurement of square matrices; the Aᵢ need not be symmetric
   * @param y `[m]`, in dtype and device of the measurement; it stays the caller's, and must not change
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for measurements and numbers that do not fit, and for
   * options; ERR_DISPOSED
   */
  constructor(measurement: MeasurementOperator, y: Tensor, options: SubGradientRecoveryOptions) {
    const where = 'SubGradientRecovery';
    super(where, measurement, y);
    const { device, shape, sides } = measurement;
    const dtype = measurement.dtype as 'f32' | 'f64';
    const given = readOptions<Given>(where, options, schema);
    const [n, columns] = sides;
    if (n !== columns) throw refusal(where, 'measurement', 'be of square matrices', `[${sides}]`, 'ERR_SHAPE');
    this.#measurement = measurement;
    this.#y = y;
    this.#options = given;
    using owned = new Owned<Tensor>();
    const factor = owned.add(new RandomStream(given.seed).normal(device, [n, given.rank], { dtype }));
    vectors.scale(device, given.alpha / Math.sqrt(n), factor);
    const like = (): Tensor => owned.add(new Tensor(device, factor.shape, dtype));
    this.#descent = new BlockDescent(where, blockSize, [factor], [like()]);
    this.#products = [like(), like()];
    this.#residuals = owned.add(new Tensor(device, [shape[0]], dtype));
    this.#signs = owned.add(new Tensor(device, [shape[0]], dtype));
    this.#numbers = owned.add(new Tensor(device, [1, 4], 'f64'));
    this.#way = factorsOf(measurement, owned);
    keepDescent(this, this.#descent, owned);
  }

  /**
   * Makes so many steps; their sizes go on where those of the last run ended. Numbers are read every 64 steps.
   *
   * @throws ERR_ARGUMENT for steps that are not whole and above 0, for options, and for NaN and infinity in y or in
   * what
   * the measurement gives; ERR_STATE while another run lasts; ERR_DISPOSED; the signal's reason when aborted
   */
  async run(steps: number, options: DescentOptions = {}): Promise<RecoveryResult> {
    checkDescent('SubGradientRecovery.run', 'recovery', this, true);
    const good = await this.#descent.run(steps, options, {
      step: (task, [factor], step) => this.#descend(task, factor!, step),
      look: (task, [factor]) => this.#look(task, factor!),
    });
    return { ...this.#last, status: good ? 'max-iterations' : 'diverged' };
  }

  /** U as it is, `[n, rank]`: a new tensor, the caller's. @throws ERR_DISPOSED, ERR_MEMORY */
  factor(): Tensor {
    checkDescent('SubGradientRecovery.factor', 'recovery', this);
    return this.#descent.factors[0]!.copy();
  }

  /** residuals = y − A(U·Uᵀ). */
  async #measure(task: Task<never>, factor: Tensor): Promise<void> {
    await this.#way.apply(factor, factor, this.#residuals);
    vectors.combine(task.queue, this.#residuals, [-1, this.#residuals], [1, this.#y]);
  }

  async #descend(task: Task<never>, factor: Tensor, step: number): Promise<void> {
    this.#first ??= await this.#firstStep(task);
    await this.#measure(task, factor);
    ops.map(task.queue, { x: [this.#residuals], out: [this.#signs], function: 'sign' });
    const [byLeft, byRight] = this.#products;
    await this.#way.adjoint(this.#signs, factor, factor, byLeft, byRight);
    const share = (this.#first * this.#options.decay ** step) / this.#y.size;
    vectors.combine(task.queue, factor, [1, factor], [share, byLeft], [share, byRight]);
  }

  /** The first step size, once y and the measurements are known to be finite. */
  async #firstStep(task: Task<never>): Promise<number> {
    const where = 'SubGradientRecovery.run';
    using guard = vectors.scalar(task.device);
    ops.checkFinite(task.queue, { x: [this.#y], guard });
    if ((await task.read(guard))[0] !== 0) throw refusal(where, 'y', 'be finite', 'NaN or infinity');
    const elements = await elementSize(task, this.#way, this.#measurement, this.#options.seed);
    if (!Number.isFinite(elements)) throw refusal(where, 'measurement', 'give finite numbers', elements);
    if (this.#options.step !== undefined) return this.#options.step;
    return defaultStep / (elements > 0 ? elements : 1);
  }

  async #look(task: Task<never>, factor: Tensor): Promise<boolean> {
    const { queue } = task;
    await this.#measure(task, factor);
    const count = this.#y.size;
    using median = vectors.scalar(task.device);
    ops.selectKth(queue, { x: [this.#residuals], ranks: [Math.ceil(count / 2)], out: median });
    using most = new Tensor(task.device, [1, 1], 'f64');
    ops.segmentReduce(queue, { x: [this.#residuals], out: this.#numbers });
    const [sums, middle] = await task.readAll(this.#numbers, median);
    const loss = sums[1]! / count;
    if (!Number.isFinite(loss)) return false;
    // sign(max(|r| − most, 0)) is 1 for an outlier, else 0.
    ops.map(queue, { x: [this.#residuals], out: [this.#signs], function: 'soft_threshold', parameters: [outlier * middle[0]!] }); // biome-ignore format: one line
    ops.map(queue, { x: [this.#signs], out: [this.#signs], function: 'sign' });
    using row = this.#signs.reshape([1, count]);
    using flat = most.reshape([1]);
    ops.rowReduce(queue, { x: row, out: flat, reduction: 'sum_of_squares' });
    this.#last = { loss, outlierShare: (await task.read(flat))[0]! / count };
    return true;
  }
}
