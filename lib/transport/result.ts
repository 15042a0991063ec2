import * as check from '../core/check.ts';
import type { Dtype } from '../core/dtypes.ts';
import { oneOf, refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { isRecord, shown } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { flag, type Given, optional, positive, type Resolved, readOptions, type Schema } from '../core/schema.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import type { Gauge, Potentials, TransportIterations, TransportStatus } from './options.ts';
import type { Cost, Side, SoftminOutputs } from './problem/cost.ts';
import type { Measured } from './problem/measure.ts';
import { isBalanced, type Penalties } from './problem/penalties.ts';
import { PointCost } from './problem/points.ts';
import { meanPotential } from './problem/potentials.ts';
import type { TransportCotangents } from './pullback/cotangents.ts';
import { type PullbackOptions, pullback, type TransportGradients } from './pullback/pullback.ts';
import { type TransportVariable, variables, variablesOf } from './pullback/variables.ts';

/** Options of {@link TransportResult.plan}. */
export interface PlanOptions {
  /** The least size of elements that the plan keeps, in rows. It has no default: without it the plan is dense. */
  threshold: number;
}

const planSchema: Schema<Given<PlanOptions>> = { threshold: optional(positive(1)) };

/** The large elements of a plan, in order of rows, then columns. */
export interface SparsePlan<D extends Dtype = Dtype> {
  /** The row of each element. */
  readonly rows: Int32Array;
  /** Its column. */
  readonly cols: Int32Array;
  /** The element, in the cost's dtype. */
  readonly values: D extends 'f32' ? Float32Array : D extends 'f64' ? Float64Array : never;
}

/** Everything that a result is made of. */
interface Solved<D extends Dtype> extends Measured<D> {
  readonly costs: Cost;
  readonly eps: number;
  readonly penalties: Penalties;
  readonly gauge: Gauge;
  /** True if the solver stored a matrix. */
  readonly isStored: boolean;
  readonly status: TransportStatus;
  readonly iterations: TransportIterations;
}

/** Options of {@link TransportResult.apply}. */
export interface ApplyOptions {
  /** Pᵀ v instead of P v. Default: false. */
  transpose?: boolean | undefined;
}

const applySchema: Schema<Resolved<ApplyOptions>> = { transpose: flag(false) };

/** The dual value of a result, for sums of several. */
export let dualOf: (result: TransportResult) => number;

/**
 * A solved transport problem: potentials, from which the plan is computed when it is asked for. D is the cost's dtype.
 */
export class TransportResult<D extends Dtype = Dtype> implements Potentials {
  /** Potentials of the rows, in the cost's dtype; −infinity for a mass of 0. P = exp((fᵢ + gⱼ − Cᵢⱼ) / eps). */
  readonly f: Tensor<D>;
  /** Potentials of the columns, with the mean of `f` over the masses that are not 0. */
  readonly g: Tensor<D>;
  /** The strength of the entropy. */
  readonly eps: number;
  /** ⟨C, P⟩ + eps Σ P ln P; with unbalanced masses, eps Σ P (ln P − 1) and the prices of the marginals. */
  readonly value: number;
  /** ⟨C, P⟩. */
  readonly cost: number;
  /** Σ |P 1 − a| + Σ |Pᵀ 1 − b|, with a exp(−f / rho) for an unbalanced side's masses, of these potentials in f64. */
  readonly marginalError: number;
  /** The end of the solver. */
  readonly status: TransportStatus;
  /** The work that it took. */
  readonly iterations: Readonly<TransportIterations>;
  readonly #solved: Solved<D>;

  static {
    dualOf = (result) => result.#solved.dual;
  }

  /** @internal @throws ERR_ARGUMENT for what no solver has made */
  constructor(solved: Solved<D>) {
    if (!isRecord(solved) || !isTensor(solved.f) || !isTensor(solved.g) || !isRecord(solved.iterations))
      throw refusal('TransportResult', 'it', 'come from sinkhorn', shown(solved));
    this.f = solved.f;
    this.g = solved.g;
    this.eps = solved.eps;
    this.value = solved.value;
    this.cost = solved.linear;
    this.marginalError = solved.marginalError;
    this.status = solved.status;
    this.iterations = Object.freeze(solved.iterations);
    this.#solved = solved;
  }

  /**
   * The plan, from the potentials and the cost's present elements, or the points': dense, each element rounded once to
   * the cost's dtype. Of points in f32 it is computed from distances in f64, as everything else that a result says.
   * @throws ERR_DISPOSED, ERR_MEMORY
   */
  plan(): Promise<Tensor<D>>;
  /**
   * The elements that are at least `threshold`, as arrays.
   * @throws ERR_ARGUMENT unless the threshold is positive; ERR_DISPOSED, ERR_MEMORY
   */
  plan(options: PlanOptions): Promise<SparsePlan<D>>;
  async plan(options?: Partial<PlanOptions>): Promise<Tensor<D> | SparsePlan<D>> {
    const { threshold } = options === undefined ? {} : readOptions('plan', options, planSchema);
    const { rows, columns, device } = this.#solved.costs;
    using owned = new Owned<Tensor>();
    const kernel = owned.add(new Tensor(device, [rows, columns], this.f.dtype));
    const potentials = { rows: owned.add(this.f.cast('f64')), columns: owned.add(this.g.cast('f64')) };
    await this.#solved.costs.plan(device, potentials, this.eps, kernel);
    return threshold === undefined ? owned.release(kernel) : await sparsePlan(kernel, threshold);
  }

  /**
   * The plan times a vector `[m]` or a matrix `[m, k]`, P v, or Pᵀ v of one with n rows, in the dtype of `v`; the plan
   * is not stored.
   * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
   */
  async apply<V extends Dtype>(v: Tensor<V>, options: ApplyOptions = {}): Promise<Tensor<V>> {
    const { transpose } = readOptions('apply', options, applySchema);
    const { rows, columns, device } = this.#solved.costs;
    const [from, to] = transpose ? [rows, columns] : [columns, rows];
    check.tensor('apply', 'v', v, { dtypes: check.arithmetic, device });
    if (v.shape.length < 1 || v.shape.length > 2 || v.shape[0] !== from)
      throw refusal('apply', 'v', `have shape [${from}] or [${from}, k]`, `[${v.shape}]`, 'ERR_SHAPE');
    using flat = v.reshape([from, v.size / from]);
    using values = flat.cast('f64');
    using averages = new Tensor(device, [to, v.size / from], 'f64');
    this.#means(transpose ? 'columns' : 'rows', { values, averages });
    using shaped = averages.reshape([to, ...v.shape.slice(1)]);
    return shaped.cast(v.dtype);
  }

  /** Sums under the plan, for each of a side. */
  #means(side: Side, out: Omit<SoftminOutputs, 'logSums'>): void {
    const { device } = this.#solved.costs;
    using logSums = new Tensor(device, [this.#solved.costs[side]], 'f64');
    using f = this.f.cast('f64');
    using g = this.g.cast('f64');
    const [ownPotential, potential] = side === 'rows' ? [f, g] : [g, f];
    this.#solved.costs.softmin(device, side, potential, this.eps, { logSums, ownPotential, ...out });
  }

  /** dvalue/deps, the entropy of the plan. */
  gradient(by: 'eps'): Promise<number>;
  /**
   * The gradient of `value`, by the envelope theorem from this plan alone: as right as the marginals are, with nothing
   * unrolled.
   *
   * - `'cost'`: the plan, `[n, m]`, dense
   * - `'x'`, `'y'`: of the points, in their shapes; for `sqeuclidean` 2 Σⱼ Pᵢⱼ (xᵢ − yⱼ). One pass over the distances
   * - `'a'`, `'b'`: of the masses: the potentials minus their mean, since totals are to stay equal, −infinity for a
   *   mass of 0; on an unbalanced side rho (1 − exp(−f / rho)), opposite one the potentials themselves
   * - `'eps'`: Σ P ln P; with unbalanced masses Σ P (ln P − 1)
   *
   * @throws ERR_UNSUPPORTED for points of a result that has none; ERR_ARGUMENT, ERR_DISPOSED, ERR_MEMORY
   */
  gradient(by: Exclude<TransportVariable, 'eps'>): Promise<Tensor<D>>;
  async gradient(by: TransportVariable): Promise<Tensor<D> | number> {
    switch (by) {
      case 'cost':
        return await this.plan();
      case 'eps':
        return this.#solved.entropy;
      case 'a':
        return await this.#byMass(this.f, this.#solved.penalties.rows);
      case 'b':
        return await this.#byMass(this.g, this.#solved.penalties.columns);
      case 'x':
      case 'y':
        return this.#byPoints(by);
      default:
        throw refusal('gradient', 'by', `be ${oneOf(variables)}`, shown(by));
    }
  }

  #byPoints(by: 'x' | 'y'): Tensor<D> {
    const costs = this.#solved.costs;
    if (!(costs instanceof PointCost))
      throw refusal('gradient', by, 'be points', 'a result of a stored cost', 'ERR_UNSUPPORTED');
    const side = by === 'x' ? 'rows' : 'columns';
    using gradients = new Tensor(costs.device, [costs[side], costs.dimension], 'f64');
    this.#means(side, { gradients });
    return gradients.cast(this.f.dtype);
  }

  async #byMass(potential: Tensor<D>, rho: number): Promise<Tensor<D>> {
    const numbers = Float64Array.from(await potential.read());
    const mean = isBalanced(this.#solved.penalties) ? meanPotential(numbers) : 0;
    const gradient = numbers.map((x) => (rho === Infinity ? x - mean : rho * -Math.expm1(-x / rho)));
    using exact = Tensor.from(potential.device, gradient, potential.shape);
    return exact.cast(potential.dtype);
  }

  /**
   * The gradients of a loss that depends on the plan, its cost or the potentials, given the loss's derivatives by
   * these: the vector–Jacobian product, as reverse-mode differentiation asks for it. Nothing is unrolled: by the
   * implicit function theorem, one linear system with the plan, solved by conjugate gradients, serves all variables of
   * a call.
   *
   * A shift between the potentials of balanced masses is a choice: the derivatives are of potentials in the result's
   * gauge, and where derivatives by `f` and by `g` have equal sums, no gauge matters. Parts of the plan that exchange
   * no mass (no pair has 2⁻⁴⁴ of the mass of its row or column; where the plan is not stored, 2⁻⁴⁸ |f| / eps if that is
   * more) have no shift between them: the derivatives are of potentials whose mean over the rows of each part, weighted
   * by the masses, stays what it is.
   *
   * Gradients are as {@link TransportResult.gradient} has them, in shapes and dtype; those by masses minus their mean
   * over the masses of each part that are not 0, unless a side is unbalanced. By a mass of 0 it is the derivative for a
   * first grain, infinite if the loss depends on its potential, or its side is unbalanced; one that may go nowhere
   * counts as changing nothing. As right as the marginals are, times the condition of the system: solve with a small
   * `tol` first. Memory: the plan in f64 if the solver stored a matrix, else in proportion to the points. Arithmetic is
   * in f64.
   *
   * @example
   * // The loss ‖P y − t‖² / 2 of where the plan takes the points, each times its mass.
   * const moved = await result.apply(y);
   * // … left = moved − t
   * const { x, a } = await result.pullback({ plan: { left, right: y } }, ['x', 'a']);
   *
   * @throws ERR_UNSUPPORTED for points of a result that has none; ERR_NOT_CONVERGED where `maxIterations` do not reach
   * the tolerance, with the residual that they do reach; ERR_ARGUMENT, also where the plan so nearly falls into parts
   * that rounding hides, beyond 1e-6 and `tol`, what the loss asks of the shifts between them; ERR_SHAPE, ERR_DTYPE,
   * ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted.
   * Source: Eisenberger et al., A Unified Framework for Implicit Sinkhorn Differentiation, CVPR 2022
   */
  pullback(cotangents: TransportCotangents, by: 'eps', options?: PullbackOptions): Promise<number>;
  /** The gradient by one of the others. */
  pullback(
    cotangents: TransportCotangents,
    by: Exclude<TransportVariable, 'eps'>,
    options?: PullbackOptions,
  ): Promise<Tensor<D>>;
  /** Gradients by several, under their names. */
  pullback<V extends TransportVariable>(
    cotangents: TransportCotangents,
    by: readonly V[],
    options?: PullbackOptions,
  ): Promise<TransportGradients<V, D>>;
  async pullback(
    cotangents: TransportCotangents,
    by: TransportVariable | readonly TransportVariable[],
    options: PullbackOptions = {},
  ): Promise<Tensor<D> | number | TransportGradients<TransportVariable, D>> {
    const names = variablesOf(by, this.#solved.costs);
    // In the cost's dtype, all of those that were asked for.
    const gradients = (await pullback(this.#solved, cotangents, names, options)) as TransportGradients<
      TransportVariable,
      D
    >;
    return typeof by === 'string' ? gradients[by] : gradients;
  }

  /** Gives the potentials' memory back, and lets go of the cost. */
  dispose(): void {
    this.f.dispose();
    this.g.dispose();
    this.#solved.costs.dispose();
  }

  /** Disposes: `using result = await sinkhorn(…)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The elements of a matrix that are at least `threshold`: counted first, then written where there is room for them. */
async function sparsePlan<D extends Dtype>(kernel: Tensor<D>, threshold: number): Promise<SparsePlan<D>> {
  const { device } = kernel;
  const [n, m] = kernel.shape as [number, number];
  using rowScale = Tensor.full(device, [n], 1, { dtype: 'f64' });
  using columnScale = Tensor.full(device, [m], 1, { dtype: 'f64' });
  using starts = new Tensor(device, [n + 1], 'i32');
  using statistics = new Tensor(device, [2], 'f64');
  const list = (columns: Tensor, values: Tensor): void =>
    ops.planSparsify(device, { kernel, rowScale, columnScale, starts, columns, values, statistics, threshold });
  using none = new Tensor(device, [0], 'i32');
  using nothing = new Tensor(device, [0], 'f64');
  list(none, nothing);
  const count = (await statistics.read())[0]!;
  using columns = new Tensor(device, [count], 'i32');
  using values = new Tensor(device, [count], 'f64');
  list(columns, values);
  const [first, cols, elements] = await Promise.all([starts.read(), columns.read(), values.read()]);
  const rows = new Int32Array(count);
  for (let i = 0; i < n; ++i) rows.fill(i, first[i]!, first[i + 1]!);
  const numbers = kernel.dtype === 'f32' ? Float32Array.from(elements) : elements;
  return { rows, cols, values: numbers as SparsePlan<D>['values'] };
}
