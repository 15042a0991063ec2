import { OrthokitError, refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import type { SampleProducts } from '../core/sample-products.ts';
import {
  count,
  flag,
  optional,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  word,
} from '../core/schema.ts';
import {
  type AccumulatedGradients,
  isAccumulated,
  isProducts,
  type SampleGradients,
  type Sums,
  sumsOf,
} from './batch-tests/sums.ts';
import { type BatchStatistics, type BatchTest, statisticsOf } from './batch-tests/tests.ts';

/** Options of {@link AdaptiveBatch}. */
export interface AdaptiveBatchOptions {
  /** The size of the first batches: whole, from 2 on, as one gradient has no variance. It has no default. */
  batchSize: number;
  /** The largest size: whole, not less than `batchSize`. It has no default. */
  maxBatchSize: number;
  /** The test, see {@link AdaptiveBatch}. Default `norm`. */
  test?: BatchTest | undefined;
  /** The bound of the tests `norm` and `coordinate`: > 0. Default 0.1. */
  eta?: number | undefined;
  /** The bound of the tests `inner-product` and `augmented`: > 0. Default 0.1. */
  theta?: number | undefined;
  /** The second bound of the test `augmented`: > 0. Default 0.1. */
  nu?: number | undefined;
  /** One call of `observe` in so many tests, the first one among them: whole, from 1 on. Default 1. */
  interval?: number | undefined;
  /**
   * True: `inner-product` and `augmented` add the variances of the tensors, each with the mean of its own, as the
   * authors' program does; false: of all tensors as one vector. Default: false.
   */
  perTensor?: boolean | undefined;
}

/** Place of an {@link AdaptiveBatch}: whole numbers, as JSON keeps them. */
export interface AdaptiveBatchState {
  /** The present size. */
  readonly batchSize: number;
  /** Calls of `observe` so far. */
  readonly step: number;
}

/** The result of {@link AdaptiveBatch.observe}. */
export interface BatchObservation {
  /** The size of the next batch. */
  readonly batchSize: number;
  /** The numbers of the test; null where there was none. */
  readonly statistics: BatchStatistics | null;
}

type Threshold = 'eta' | 'theta' | 'nu';
const threshold = optional(positive(0.1));
const schema: Schema<Resolved<AdaptiveBatchOptions, Threshold>> = {
  batchSize: required(count(2, 2)),
  maxBatchSize: required(count(2, 2)),
  test: word<BatchTest>(['norm', 'inner-product', 'augmented', 'coordinate'], 'norm'),
  eta: threshold,
  theta: threshold,
  nu: threshold,
  interval: count(1),
  perTensor: flag(false),
};
const compared: Record<BatchTest, readonly Threshold[]> = {
  norm: ['eta'],
  'inner-product': ['theta'],
  augmented: ['theta', 'nu'],
  coordinate: ['eta'],
};

function checkFinite({ vectors }: Sums): void {
  for (const { squares, dots, squaredNorm } of vectors) {
    const wrong = [squaredNorm, ...squares, ...dots].find((x) => !Number.isFinite(x));
    if (wrong !== undefined) throw refusal('AdaptiveBatch.observe', 'perSample', 'have finite squares', wrong);
  }
}

/**
 * The size of the batch as AdAdaGrad (arXiv 2402.11215) grows it: larger where the gradients of single samples vary so
 * much that their mean ḡ says little. A test gives the size that it asks for, and the batch becomes that large, rounded
 * up, at most `maxBatchSize`; it never shrinks.
 *
 * - `norm`: Σ Var(gᵢ) / (η² |ḡ|²), over all coordinates
 * - `inner-product`: Var ⟨gᵢ, ḡ⟩ / (θ² |ḡ|⁴)
 * - `augmented`: the larger one of that and Σ Var(gᵢ − ⟨gᵢ, ḡ⟩ ḡ / |ḡ|²) / (ν² |ḡ|²)
 * - `coordinate`: the largest Var(gᵢ) / (η² ḡ²) of a coordinate, of those whose ḡ is not 0
 *
 * @example
 * const batch = new AdaptiveBatch({ test: 'norm', eta: 0.5, batchSize: 32, maxBatchSize: 1024 });
 * const { batchSize } = await batch.observe(perSample);
 */
export class AdaptiveBatch {
  readonly #options: Resolved<AdaptiveBatchOptions, Threshold>;
  #batchSize: number;
  #step = 0;
  #isObserving = false;

  /**
   * @throws ERR_ARGUMENT for options out of range, for a largest size below the first one, and for options that the
   * test does not read
   */
  constructor(options: AdaptiveBatchOptions) {
    const where = 'AdaptiveBatch';
    const read = readOptions(where, options, schema);
    const { batchSize, maxBatchSize, test, perTensor } = read;
    if (maxBatchSize < batchSize)
      throw refusal(where, 'maxBatchSize', `be at least batchSize, ${batchSize}`, maxBatchSize);
    for (const name of ['eta', 'theta', 'nu'] as const)
      if (read[name] !== undefined && !compared[test].includes(name))
        throw refusal(where, name, `be left out for the test '${test}'`, read[name]);
    if (perTensor && (test === 'norm' || test === 'coordinate'))
      throw refusal(where, 'perTensor', `be false for the test '${test}'`, perTensor);
    this.#options = read;
    this.#batchSize = batchSize;
  }

  /** The size of the next batch. */
  get batchSize(): number {
    return this.#batchSize;
  }

  /** True: the next call of `observe` tests, and needs gradients of samples. False for good at the largest size. */
  get due(): boolean {
    return this.#batchSize < this.#options.maxBatchSize && this.#step % this.#options.interval === 0;
  }

  /** The present place, to be saved: a new object each time. */
  get state(): AdaptiveBatchState {
    return { batchSize: this.#batchSize, step: this.#step };
  }

  /** Goes on from the state of an object with the same options. @throws ERR_STATE for what cannot be one */
  restore(state: AdaptiveBatchState): void {
    const { batchSize, step } = isRecord(state) ? state : ({} as Partial<AdaptiveBatchState>);
    const { batchSize: first, maxBatchSize } = this.#options;
    const isWhole = (x: unknown, least: number, most: number): x is number =>
      Number.isSafeInteger(x) && (x as number) >= least && (x as number) <= most;
    if (!isWhole(batchSize, first, maxBatchSize))
      throw refusal(
        'AdaptiveBatch.restore',
        'state.batchSize',
        `be a whole number from ${first} to ${maxBatchSize}`,
        shown(batchSize),
        'ERR_STATE',
      );
    if (!isWhole(step, 0, Number.MAX_SAFE_INTEGER))
      throw refusal('AdaptiveBatch.restore', 'state.step', 'be a whole number from 0 on', shown(step), 'ERR_STATE');
    this.#batchSize = batchSize;
    this.#step = step;
  }

  /**
   * Counts a step and, where a test is due, lets the batch grow. A failed call changes nothing.
   *
   * @param perSample Gradients `[samples, …]` of two samples or more, one tensor for each parameter, in a list, or in a
   * map as `perSample: true` of `nn.valueAndGrad` gives it; or the products of `perSample: 'products'`; or, for the
   * test `norm`, the mean of a batch that was accumulated and the squares of its samples; null where no test is due.
   * @throws ERR_ARGUMENT for what are no gradients, for NaN and infinity, also of squares, for products where single
   * coordinates or tensors are tested, and for accumulated gradients where anything but `norm` is; ERR_SHAPE for less
   * than two samples or unequally many; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; ERR_STATE while another call
   * runs
   */
  async observe(perSample: SampleGradients | SampleProducts | AccumulatedGradients | null): Promise<BatchObservation> {
    if (this.#isObserving)
      throw new OrthokitError(
        'ERR_STATE',
        'AdaptiveBatch.observe: must be awaited before the next call, got a call in a call',
      );
    const statistics = this.due ? await this.#test(perSample) : null;
    const candidate = statistics?.candidate ?? 0;
    this.#step += 1;
    this.#batchSize = Math.min(this.#options.maxBatchSize, Math.max(this.#batchSize, Math.ceil(candidate)));
    return { batchSize: this.#batchSize, statistics };
  }

  async #test(perSample: SampleGradients | SampleProducts | AccumulatedGradients | null): Promise<BatchStatistics> {
    const { test, perTensor, eta = 0.1, theta = 0.1, nu = 0.1 } = this.#options;
    if (isAccumulated(perSample) && test !== 'norm')
      throw refusal('AdaptiveBatch.observe', 'perSample', `be gradients or products for the test '${test}'`, 'a mean');
    if (isProducts(perSample) && (perTensor || test === 'coordinate')) {
      const by = perTensor ? 'perTensor' : "the test 'coordinate'";
      throw refusal('AdaptiveBatch.observe', 'perSample', `be gradients for ${by}`, 'products');
    }
    this.#isObserving = true;
    try {
      const sums = await sumsOf(perSample!, perTensor, test === 'coordinate');
      checkFinite(sums);
      const statistics = statisticsOf(sums, test, { eta, theta, nu });
      if (Number.isNaN(statistics.candidate))
        throw refusal('AdaptiveBatch.observe', 'perSample', 'have a finite test', statistics.candidate);
      return statistics;
    } finally {
      this.#isObserving = false;
    }
  }
}
