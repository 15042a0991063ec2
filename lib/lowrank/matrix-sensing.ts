import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { RandomStream } from '../core/random.ts';
import { count, optional, positive, readOptions, required, type Schema, whole, word } from '../core/schema.ts';
import type { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { svd } from '../linalg/index.ts';
import type { SolverStatus } from '../solvers/status.ts';
import { BlockDescent, type DescentOptions } from './measurement/blocks.ts';
import { checkDescent, FactorDescent, keepDescent } from './measurement/factor-descent.ts';
import { type FactorMeasurement, factorsOf, type MeasurementOperator } from './measurement/operator.ts';
import { elementSize, spectralNorm } from './measurement/scale.ts';

/** Options of {@link MatrixSensing}. */
export interface MatrixSensingOptions {
  /** Columns of the factors: whole, from 1 on; it may be above the matrix's rank. It has no default. */
  rank: number;
  /**
   * `'symmetric'`: X = U·Uᵀ. `'asymmetric'`: X = F·Gᵀ. `'balanced'`: the same, its factors made equally good once, near
   * the end, so that the rate does not depend on `alpha`. Default: `'balanced'`.
   */
  form?: 'symmetric' | 'asymmetric' | 'balanced' | undefined;
  /** Size of the start: F is alpha · N / √rows, G a third of that by its own rows. Above 0. Default: 0.5. */
  alpha?: number | undefined;
  /** Step size, above 0. Default: 0.2 over the spectral norm of Σ yᵢ Aᵢ. */
  lr?: number | undefined;
  /** The residual, relative to |y|, below which `'balanced'` balances the factors. Above 0. Default: 0.1. */
  switchTol?: number | undefined;
  /**
   * The singular values that F has once `'balanced'` has balanced the factors, above 0. Default: √ of the largest one
   * of F·Gᵀ.
   */
  beta?: number | undefined;
  /** Seed of the start: whole, from 0 to 2⁵³ − 1. Default: 0. */
  seed?: number | undefined;
}

/** The result of {@link MatrixSensing.run}. */
export interface SensingResult {
  /** |A(X) − y| / |y| of the factors as they are; |A(X)| where y is 0. */
  readonly residual: number;
  /**
   * `'max-iterations'` after the steps; `'diverged'` where the residual is NaN, or above 10 and above ten times that of
   * the last look, which at first is that of the start.
   */
  readonly status: Extract<SolverStatus, 'max-iterations' | 'diverged'>;
}

/** The factors of X = left·rightᵀ. */
export interface SensedFactors {
  /** `[rows, rank]`. */
  readonly left: Tensor;
  /** `[columns, rank]`; of the symmetric form the same tensor as `left`. */
  readonly right: Tensor;
}

interface Given {
  rank: number;
  form: 'symmetric' | 'asymmetric' | 'balanced';
  alpha: number;
  lr: number | undefined;
  switchTol: number | undefined;
  beta: number | undefined;
  seed: number;
}
const schema: Schema<Given> = {
  rank: required(count(1)),
  form: word(['symmetric', 'asymmetric', 'balanced'], 'balanced'),
  alpha: positive(0.5),
  lr: optional(positive(1)),
  switchTol: optional(positive(1)),
  beta: optional(positive(1)),
  seed: whole(0, 0, Number.MAX_SAFE_INTEGER),
};

/** Steps between two looks at the residual. */
const blockSize = 16;
/** Times the residual of the last look, or 1, that are a divergence. */
const mostGrowth = 10;
const defaultStep = 0.2;
const defaultSwitch = 0.1;

/**
 * A matrix X of low rank from linear measurements yᵢ = ⟨Aᵢ, X⟩, by gradient descent on factors that may have more
 * columns than X has rank. With E = Σ (⟨Aᵢ, X⟩ − yᵢ) Aᵢ a step is F ← F − lr·E·G and G ← G − lr·Eᵀ·F, both from the
 * same factors, or U ← U − lr·(E + Eᵀ)/2·U. With more columns than the rank, the symmetric form has an error like
 * 1/steps, the asymmetric one exp(−c·alpha²·steps), the balanced one exp(−c·steps).
 *
 * The residual is looked at every 16 steps, and numbers are read then alone. Steps and sizes are meant for measurements
 * that keep lengths, |A(X)| near |X|, such as normal numbers over √m.
 *
 * Memory: the factors three times and as much as they need to be measured; by an operator without `factors`, X once.
 *
 * Source: Xiong, Ding and Du, arXiv 2310.01769, which has no program. From it: the three forms, the start with a third,
 * balancing once. Ours: when it is done, by F = P·S·Qᵀ, F ← beta·P, G ← G·Q·S/beta, which keeps the product; default
 * step and beta.
 *
 * @example
 * const sensing = new MatrixSensing(measurement, y, { rank: 5 });
 * const { residual } = await sensing.run(400);
 * const { left, right } = sensing.factors();
 */
export class MatrixSensing extends FactorDescent {
  readonly #measurement: MeasurementOperator;
  readonly #y: Tensor;
  readonly #options: Given;
  readonly #way: FactorMeasurement;
  readonly #descent: BlockDescent;
  readonly #residuals: Tensor;
  readonly #products: readonly Tensor[];
  /** |residual|² of each step of a block, and after it. */
  readonly #squares: Tensor;
  #scale: { readonly lr: number; readonly first: number } | undefined;
  #residual = NaN;
  #isBalanced = false;

  /**
   * @param y `[m]`, in dtype and device of the measurement; it stays the caller's, and must not change
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for measurements and numbers that do not fit, options, a
   * symmetric form of a matrix that is not square, and `rank` above the smaller side to be balanced; ERR_DISPOSED
   */
  constructor(measurement: MeasurementOperator, y: Tensor, options: MatrixSensingOptions) {
    const where = 'MatrixSensing';
    super(where, measurement, y);
    const { device, shape, sides } = measurement;
    const dtype = measurement.dtype as 'f32' | 'f64';
    const given = readOptions<Given>(where, options, schema);
    const { rank, form, seed, alpha } = given;
    const [rows, columns] = sides;
    if (form === 'symmetric' && rows !== columns)
      throw refusal(where, 'measurement', 'be of square matrices for the symmetric form', `[${sides}]`, 'ERR_SHAPE');
    if (form === 'balanced' && rank > Math.min(rows, columns))
      throw refusal(where, 'rank', `be at most the smaller side, ${Math.min(rows, columns)}, to be balanced`, rank);
    for (const name of ['switchTol', 'beta'] as const)
      if (form !== 'balanced' && given[name] !== undefined)
        throw refusal(where, name, "be left out unless the form is 'balanced'", given[name]);
    this.#measurement = measurement;
    this.#y = y;
    this.#options = given;
    using owned = new Owned<Tensor>();
    const random = new RandomStream(seed);
    const start = (side: number, size: number): Tensor => {
      const factor = owned.add(random.normal(device, [side, rank], { dtype }));
      vectors.scale(device, size / Math.sqrt(side), factor);
      return factor;
    };
    const like = (side: number): Tensor => owned.add(new Tensor(device, [side, rank], dtype));
    const factors = form === 'symmetric' ? [start(rows, alpha)] : [start(rows, alpha), start(columns, alpha / 3)];
    this.#descent = new BlockDescent(
      where,
      blockSize,
      factors,
      factors.map((factor) => like(factor.shape[0]!)),
    );
    this.#products = [like(rows), like(columns)];
    this.#residuals = owned.add(new Tensor(device, [shape[0]], dtype));
    this.#squares = owned.add(new Tensor(device, [blockSize + 1], 'f64'));
    this.#way = factorsOf(measurement, owned);
    keepDescent(this, this.#descent, owned);
  }

  /**
   * Makes so many steps. After a divergence the factors are those of the last look that was good, and `residual`
   * is theirs; a smaller `lr` wants a new object.
   *
   * @throws ERR_ARGUMENT for steps that are not whole and above 0, for options, and for NaN and infinity in y or in
   * what the measurement gives; ERR_STATE while another run lasts; ERR_DISPOSED; the signal's reason when aborted
   */
  async run(steps: number, options: DescentOptions = {}): Promise<SensingResult> {
    checkDescent('MatrixSensing.run', 'sensing', this, true);
    const good = await this.#descent.run(steps, options, {
      step: (task, factors, _, place) => this.#step(task, factors, place),
      look: (task, factors, places) => this.#look(task, factors, places),
      after: (task, factors, copies) => this.#balance(task, factors, copies),
    });
    return { residual: this.#residual, status: good ? 'max-iterations' : 'diverged' };
  }

  /**
   * The factors as they are, `[rows, rank]` and `[columns, rank]`, X = left·rightᵀ: new tensors, the caller's; of the
   * symmetric form the same one twice. @throws ERR_DISPOSED, ERR_MEMORY
   */
  factors(): SensedFactors {
    checkDescent('MatrixSensing.factors', 'sensing', this);
    const [left, right] = this.#descent.factors;
    using owned = new Owned<Tensor>();
    const own = owned.add(left!.copy());
    const other = right ? owned.add(right.copy()) : own;
    owned.release(own);
    return { left: own, right: owned.release(other) };
  }

  /** Residuals of the factors, and their square in its place. */
  async #measure(task: Task<never>, factors: readonly Tensor[], place: number): Promise<void> {
    const [left, right = left] = factors;
    await this.#way.apply(left!, right!, this.#residuals);
    vectors.axpy(task.queue, -1, this.#y, this.#residuals);
    using square = this.#squares.rows(place, place + 1);
    vectors.dot(task.queue, this.#residuals, this.#residuals, square);
  }

  async #step(task: Task<never>, factors: readonly Tensor[], place: number): Promise<void> {
    const { lr } = await this.#scales(task);
    const [left, right] = factors as [Tensor, Tensor | undefined];
    await this.#measure(task, factors, place);
    const [byLeft, byRight] = this.#products as [Tensor, Tensor];
    await this.#way.adjoint(this.#residuals, left, right ?? left, byLeft, byRight);
    if (!right) return vectors.combine(task.queue, left, [1, left], [-lr / 2, byLeft], [-lr / 2, byRight]);
    vectors.axpy(task.queue, -lr, byLeft, left);
    vectors.axpy(task.queue, -lr, byRight, right);
  }

  async #look(task: Task<never>, factors: readonly Tensor[], places: number): Promise<boolean> {
    await this.#measure(task, factors, places);
    const { first } = await this.#scales(task);
    const residuals = (await task.read(this.#squares))
      .subarray(0, places + 1)
      .map((square) => Math.sqrt(square) / first);
    if (Number.isNaN(this.#residual)) this.#residual = residuals[0]!;
    if (!residuals.every((residual) => residual <= mostGrowth * Math.max(1, this.#residual))) return false;
    this.#residual = residuals[places]!;
    return true;
  }

  /** The step size, and |y|, found once, where y and the measurement are finite. */
  async #scales(task: Task<never>): Promise<{ lr: number; first: number }> {
    if (this.#scale) return this.#scale;
    const where = 'MatrixSensing.run';
    using square = vectors.scalar(task.device);
    vectors.dot(task.queue, this.#y, this.#y, square);
    const size = Math.sqrt((await task.read(square))[0]!);
    if (!Number.isFinite(size)) throw refusal(where, 'y', 'be finite', size);
    const { lr, form, seed } = this.#options;
    const elements = await elementSize(task, this.#way, this.#measurement, seed);
    if (!Number.isFinite(elements)) throw refusal(where, 'measurement', 'give finite numbers', elements);
    const norm = lr === undefined ? await spectralNorm(task, this.#way, this.#measurement, this.#y, form === 'symmetric', seed) : 1; // biome-ignore format: one line
    this.#scale = { lr: lr ?? defaultStep / (norm > 0 ? norm : 1), first: size > 0 ? size : 1 };
    return this.#scale;
  }

  /** Once the residual is small: F gets equal singular values, and the product stays. The new ones are the copies. */
  async #balance(task: Task<never>, factors: readonly Tensor[], copies: readonly Tensor[]): Promise<boolean> {
    const { form, switchTol = defaultSwitch, beta } = this.#options;
    if (form !== 'balanced' || this.#isBalanced || !(this.#residual < switchTol)) return false;
    const [left, right] = factors as [Tensor, Tensor];
    const [newLeft, newRight] = copies as [Tensor, Tensor];
    const { queue, device } = task;
    using owned = new Owned<Tensor>();
    const { u, s, v } = await task.waitFor(svd(left));
    for (const tensor of [u, s, v]) owned.add(tensor);
    const turned = owned.add(new Tensor(device, right.shape, right.dtype));
    ops.gemm(queue, { a: right, b: v, c: turned });
    ops.scaleAxis(queue, { x: turned, scale: s, out: turned });
    let size = beta;
    if (size === undefined) {
      const inner = await task.waitFor(svd(turned));
      for (const tensor of Object.values(inner)) owned.add(tensor as Tensor);
      size = Math.sqrt(((await task.read(inner.s)) as Float64Array)[0]!);
    }
    if (!(size > 0)) return false;
    vectors.scale(queue, size, u, newLeft);
    vectors.scale(queue, 1 / size, turned, newRight);
    await task.synchronize();
    this.#isBalanced = true;
    return true;
  }
}
