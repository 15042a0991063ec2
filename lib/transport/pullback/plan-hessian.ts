import { OrthokitError, refusal } from '../../core/errors.ts';
import type { Lane } from '../../core/lane.ts';
import type { LinearOperator } from '../../core/operator.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { cg } from '../../solvers/cg.ts';
import type { Pair } from '../problem/cost.ts';
import type { Vectors } from './panels.ts';
import { PartShifts } from './part-shifts.ts';
import type { Parts } from './parts.ts';
import type { PlanProduct } from './plan-product.ts';
import type { SparseSystem } from './sparse-system.ts';

/** Rounding may leave so much of a residual, relative to its start: solutions are right to some six digits. */
const coarsest = 1e-6;

const nearlyApart = () =>
  new OrthokitError(
    'ERR_ARGUMENT',
    'pullback: the plan nearly falls into parts, and rounding hides what the loss asks of the shifts between them: it takes a larger eps, or tol',
  );

/** Options of solves with a {@link PlanHessian}. */
export interface HessianOptions {
  /** Bound of the residual, relative to that of 0. */
  readonly tol: number;
  readonly maxIterations: number;
  /** The rounding of a product with the plan, relative to its terms. */
  readonly precision: number;
  /** Given where all masses are to be kept: in each part, a shift from one side to the other changes nothing. */
  readonly parts: Parts | undefined;
  readonly lane: Lane;
  readonly signal: AbortSignal | undefined;
}

/**
 * The Hessian of the dual times −eps, H = [diag(r), P; Pᵀ, diag(c)], and what solves H (u, v) = rhs: conjugate
 * gradients on the Schur complement S = diag(r) − P diag(c)⁻¹ Pᵀ of the columns, in units of √r, where its norm is at
 * most 1: that is Jacobi's preconditioner. With the same of a sparse part of the plan, if there is one, as
 * preconditioner besides.
 */
export class PlanHessian implements LinearOperator {
  readonly device: Tensor['device'];
  readonly dtype = 'f64';
  readonly shape: readonly [number, number];
  readonly #owned: Owned<Tensor>;
  readonly #product: PlanProduct;
  readonly #options: HessianOptions;
  readonly #shifts: PartShifts | undefined;
  /** √r, 1 / √r and 1 / c, of masses of 0 all 0. */
  readonly #roots: Tensor;
  readonly #inverseRoots: Tensor;
  readonly #inverseColumns: Tensor;
  /** Vectors of products on their way. */
  readonly #on: Pair;

  constructor(device: Tensor['device'], product: PlanProduct, diagonal: Vectors, options: HessianOptions) {
    const { rows, columns } = diagonal;
    const roots = rows.map(Math.sqrt);
    const inverted = (x: Float64Array) => x.map((value) => (value > 0 ? 1 / value : 0));
    using owned = new Owned<Tensor>();
    const vector = (x: Float64Array) => owned.add(Tensor.from(device, x, [x.length]));
    this.device = device;
    this.shape = [rows.length, rows.length];
    this.#product = product;
    this.#options = options;
    this.#roots = vector(roots);
    this.#inverseRoots = vector(inverted(roots));
    this.#inverseColumns = vector(inverted(columns));
    this.#on = { rows: vector(rows), columns: vector(columns) };
    this.#shifts = options.parts && new PartShifts(device, options.lane.queue, options.parts, roots);
    this.#owned = owned.move();
  }

  /** out = R S R x with R = diag(r)^(−1/2), without what asks for shifts of parts. */
  apply(x: Tensor, out: Tensor): void {
    const { queue } = this.#options.lane;
    const { rows, columns } = this.#on;
    vectors.multiply(queue, x, this.#inverseRoots, rows);
    this.#product('columns', rows, columns);
    vectors.multiply(queue, columns, this.#inverseColumns, columns);
    this.#product('rows', columns, rows);
    vectors.multiply(queue, rows, this.#inverseRoots, rows);
    vectors.combine(queue, out, [1, x], [-1, rows]);
    this.#shifts?.removeFrom(out);
  }

  /**
   * An approximation of the operator's inverse: the sparse plan, nearly singular by shifts, must not enlarge rounding.
   */
  #preconditioner(sparse: SparseSystem): LinearOperator {
    const { queue } = this.#options.lane;
    const { rows } = this.#on;
    const apply = (residual: Tensor, out: Tensor): void => {
      vectors.multiply(queue, residual, this.#roots, rows);
      sparse.solve(rows, out);
      vectors.multiply(queue, out, this.#roots, out);
      this.#shifts?.removeFrom(out);
    };
    return { device: this.device, dtype: this.dtype, shape: this.shape, apply };
  }

  /**
   * The right-hand side loses its part that masses cannot answer: parts of the plan that exchange none have no shift
   * between them.
   * @throws ERR_NOT_CONVERGED where iterations run out; ERR_ARGUMENT where the plan so nearly falls into parts that
   * rounding hides what joins them
   */
  async solve(rhs: Vectors, sparse: SparseSystem | undefined): Promise<Vectors> {
    // In units of the largest, no square leaves the range of numbers.
    const largest = (x: Float64Array) => x.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
    const unit = Math.max(largest(rhs.rows), largest(rhs.columns));
    if (unit === 0) return rhs;
    const { lane } = this.#options;
    const { queue } = lane;
    const { rows: ofRows, columns: ofColumns } = this.#on;
    using rows = Tensor.from(this.device, rhs.rows, [rhs.rows.length]);
    using columns = Tensor.from(this.device, rhs.columns, [rhs.columns.length]);
    using sizes = new Tensor(this.device, [2], 'f64');
    vectors.scale(queue, 1 / unit, [rows, columns]);
    // The rows' right-hand side once the columns are eliminated.
    vectors.multiply(queue, columns, this.#inverseColumns, ofColumns);
    this.#product('rows', ofColumns, ofRows);
    using goal = new Tensor(this.device, rows.shape, 'f64');
    vectors.multiply(queue, rows, this.#inverseRoots, rows);
    vectors.multiply(queue, ofRows, this.#inverseRoots, ofRows);
    vectors.combine(queue, goal, [1, rows], [-1, ofRows]);
    this.#shifts?.removeFrom(goal);
    vectors.dots(queue, [[rows, rows], [goal, goal]], sizes); // biome-ignore format: one line
    const [size, scale] = (await lane.read(sizes)).map(Math.sqrt) as unknown as [number, number];
    using u = await this.#solve(goal, scale, this.#options.precision * (size + scale), sparse);
    vectors.multiply(queue, u, this.#inverseRoots, rows);
    this.#product('columns', rows, ofColumns);
    vectors.combine(queue, columns, [1, columns], [-1, ofColumns]);
    vectors.multiply(queue, columns, this.#inverseColumns, columns);
    vectors.scale(queue, unit, [rows, columns]);
    const [solution, other] = await Promise.all([lane.read(rows), lane.read(columns)]);
    return { rows: solution, columns: other };
  }

  /** Solves the reduced system, whose right-hand side has the norm `scale`; `least` of it may be rounding. */
  async #solve(goal: Tensor, scale: number, least: number, sparse: SparseSystem | undefined): Promise<Tensor> {
    const { maxIterations, precision, signal } = this.#options;
    const tol = Math.max(this.#options.tol, scale > least ? least / scale : 1);
    const preconditioner = sparse && this.#preconditioner(sparse);
    const { x, status, residualNorm, dropped } = await cg(this, goal, {
      tol,
      maxIterations,
      rounding: precision,
      preconditioner,
      signal,
    });
    const isSolved = status === 'converged' || status === 'at-precision';
    if (isSolved && residualNorm + dropped <= Math.max(tol, coarsest)) return x;
    x.dispose();
    if (status !== 'max-iterations') throw nearlyApart();
    const got = `${maxIterations} for one of ${residualNorm}; if the plan nearly falls into parts, tol must be larger`;
    throw refusal('pullback', 'maxIterations', `reach a residual norm of ${tol}`, got, 'ERR_NOT_CONVERGED');
  }

  [Symbol.dispose](): void {
    this.#shifts?.[Symbol.dispose]();
    this.#owned.dispose();
  }
}
