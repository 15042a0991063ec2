import { OrthokitError } from '../../core/errors.ts';
import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Costs, Pair, Side } from '../problem/cost.ts';
import type { Vectors } from './panels.ts';
import { balance, means, type Parts, shift } from './parts.ts';
import { type PlanProduct, storedProduct, streamedProduct } from './plan-product.ts';
import { SparseSystem } from './sparse-system.ts';

/** Rounding may leave so much of a residual, relative to its start, where `tol` is less: solutions are right to some six digits. */
const coarsest = 1e-6;
/** Σ xᵢ yᵢ wᵢ */
function dot(x: Float64Array, y: Float64Array, w?: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; ++i) sum += w ? x[i]! * y[i]! * w[i]! : x[i]! * y[i]!;
  return sum;
}
/** x += by · y */
function add(x: Float64Array, by: number, y: Float64Array): void {
  for (let i = 0; i < x.length; ++i) x[i] = x[i]! + by * y[i]!;
}

const nearlyApart = () =>
  new OrthokitError(
    'ERR_ARGUMENT',
    'pullback: the plan nearly falls into parts, and rounding hides what the loss asks of the shifts between them: it takes a larger eps, or tol',
  );

const inverted = (x: Float64Array): Float64Array => x.map((d) => (d > 0 ? 1 / d : 0));

/** How a {@link PlanHessian} is solved. */
export interface SystemOptions {
  /** Of the residual, relative to that of 0. */
  readonly tol: number;
  readonly maxIterations: number;
  /** The rounding of a product with the plan, relative to its terms. */
  readonly precision: number;
  /** Given where all masses are to be kept: in each part, a shift from one side to the other changes nothing. */
  readonly parts: Parts | undefined;
  readonly lane: Lane;
}

/**
 * The Hessian of the dual times −eps, H = [diag(r), P; Pᵀ, diag(c)], and what solves H (u, v) = rhs: conjugate gradients on the
 * Schur complement diag(r) − P diag(c)⁻¹ Pᵀ of the columns, with the same of a sparse part of the plan as preconditioner if
 * the plan is stored and has one, else with diag(r). Vectors are on the host; the device multiplies.
 */
export class PlanHessian {
  readonly #device: Tensor['device'];
  readonly #product: PlanProduct;
  readonly #rows: Float64Array;
  readonly #rowsInverse: Float64Array;
  readonly #columnsInverse: Float64Array;
  readonly #options: SystemOptions;
  readonly #sparse: SparseSystem | undefined;

  private constructor(
    device: Tensor['device'],
    product: PlanProduct,
    diagonal: Vectors,
    options: SystemOptions,
    sparse?: SparseSystem,
  ) {
    this.#device = device;
    this.#product = product;
    this.#rows = diagonal.rows;
    this.#rowsInverse = inverted(diagonal.rows);
    this.#columnsInverse = inverted(diagonal.columns);
    this.#options = options;
    this.#sparse = sparse;
  }

  /** Of a plan that is computed for each product. */
  static streamed(costs: Costs, potentials: Pair, eps: number, diagonal: Vectors, options: SystemOptions): PlanHessian {
    const product = streamedProduct(options.lane.queue, costs, potentials, eps);
    return new PlanHessian(costs.device, product, diagonal, options);
  }

  /** Of a plan that is stored, f64, of this total. */
  static async stored(plan: Tensor, mass: number, diagonal: Vectors, options: SystemOptions): Promise<PlanHessian> {
    const sparse = await SparseSystem.of(plan, mass, diagonal, options.lane);
    return new PlanHessian(plan.device, storedProduct(options.lane.queue, plan), diagonal, options, sparse);
  }

  /**
   * The right-hand side loses its part that masses cannot answer: parts of the plan that exchange none have no shift between them.
   * @throws ERR_ARGUMENT where iterations run out, or the plan so nearly falls into parts that rounding hides what joins them
   */
  async solve(rhs: Vectors): Promise<Vectors> {
    // In units of the largest, no square leaves the range of numbers.
    const sizes = [rhs.rows, rhs.columns].map((x) => x.reduce((most, y) => Math.max(most, Math.abs(y)), 0));
    const unit = Math.max(...sizes);
    if (unit === 0) return rhs;
    const { rows, columns } = await this.#solve({
      rows: rhs.rows.map((x) => x / unit),
      columns: rhs.columns.map((x) => x / unit),
    });
    return { rows: rows.map((x) => x * unit), columns: columns.map((x) => x * unit) };
  }

  async #solve(rhs: Vectors): Promise<Vectors> {
    const { tol, maxIterations, precision } = this.#options;
    const size = (x: Float64Array) => Math.sqrt(dot(x, x, this.#rowsInverse));
    const goal = await this.#reduced(rhs);
    const scale = size(goal);
    // The columns' share may take all away but rounding.
    const least = precision * (size(rhs.rows) + scale);
    const u = new Float64Array(goal.length);
    let residual = goal.slice();
    let direction: Float64Array | undefined;
    let descent = 0;
    let lost = 0;
    let change = residual;
    let isExact = true;
    for (let iteration = 0; ; ) {
      const most = Math.max(Math.max(tol, coarsest) * scale, least);
      const enough = Math.max(tol * scale, least, precision * Math.sqrt(dot(u, u, this.#rows)));
      if (size(residual) <= enough) {
        if (isExact && size(residual) + lost > most) throw nearlyApart();
        if (isExact) return { rows: u, columns: await this.#columns(rhs, u) };
        // The updates have gone their own way by rounding.
        residual = goal.slice();
        add(residual, -1, await this.#times(u));
        this.#balance(residual);
        isExact = true;
        direction = undefined;
        continue;
      }
      if (iteration++ >= maxIterations && enough > most) throw nearlyApart();
      if (iteration > maxIterations)
        throw new OrthokitError(
          'ERR_ARGUMENT',
          `pullback: maxIterations must reach a residual of ${enough / scale}, got ${maxIterations} for one of ${size(residual) / scale}; if the plan nearly falls into parts, tol must be larger`,
        );
      const step = await this.#precondition(residual);
      // Polak and Ribière: the preconditioner need not be the same each time.
      if (direction) add(step, dot(step, change) / descent, direction);
      direction = step;
      const product = await this.#times(direction);
      const curvature = dot(direction, product);
      const weight = dot(direction, direction, this.#rows);
      descent = dot(direction, residual);
      if (!(curvature > 4 * precision * weight)) {
        // A shift of what are nearly parts: no more of it than rounding leaves may be given up.
        lost += Math.abs(descent) / Math.sqrt(weight);
        if (!(lost <= most)) throw nearlyApart();
        const along = direction.map((x, i) => x * this.#rows[i]!);
        add(goal, -descent / weight, along);
        add(residual, -descent / weight, along);
        direction = undefined;
        continue;
      }
      add(u, descent / curvature, direction);
      change = product.map((x) => (-descent / curvature) * x);
      add(residual, 1, change);
      this.#balance(residual);
      isExact = false;
    }
  }

  /** The rows' right-hand side once the columns are eliminated. */
  async #reduced({ rows, columns }: Vectors): Promise<Float64Array> {
    const through = await this.#multiply(
      'rows',
      columns.map((x, j) => x * this.#columnsInverse[j]!),
    );
    const goal = rows.map((x, i) => (this.#rows[i]! > 0 ? x - through[i]! : 0));
    this.#balance(goal);
    return goal;
  }

  /** Residuals ask for no shift of a part. */
  #balance(residual: Float64Array): void {
    const { parts } = this.#options;
    if (parts) balance(parts.rows, parts.count, residual, this.#rows);
  }

  /** Steps have no mean in a part: the sparse plan, nearly singular that way, must not enlarge what rounding leaves of it. */
  #center(step: Float64Array): void {
    const { parts } = this.#options;
    if (parts) shift(parts.rows, step, -1, means(parts.rows, parts.count, step, this.#rows));
  }

  async #columns({ columns }: Vectors, u: Float64Array): Promise<Float64Array> {
    const through = await this.#multiply('columns', u);
    return columns.map((x, j) => (x - through[j]!) * this.#columnsInverse[j]!);
  }

  async #multiply(side: Side, x: Float64Array): Promise<Float64Array> {
    using from = Tensor.from(this.#device, x, [x.length, 1]);
    using out = new Tensor(this.#device, [(side === 'rows' ? this.#rows : this.#columnsInverse).length, 1], 'f64');
    this.#product(side, from, out);
    return await this.#options.lane.read(out);
  }

  /** The Schur complement times x. */
  async #times(x: Float64Array): Promise<Float64Array> {
    const m = this.#columnsInverse.length;
    using from = Tensor.from(this.#device, x, [x.length, 1]);
    using inverse = Tensor.from(this.#device, this.#columnsInverse, [m, 1]);
    using through = new Tensor(this.#device, [m, 1], 'f64');
    using out = new Tensor(this.#device, [x.length, 1], 'f64');
    this.#product('columns', from, through);
    ops.multiply(this.#options.lane.queue, { out: [through], x: [through], y: [inverse] });
    this.#product('rows', through, out);
    const there = await this.#options.lane.read(out);
    return x.map((value, i) => this.#rows[i]! * value - there[i]!);
  }

  async #precondition(residual: Float64Array): Promise<Float64Array> {
    const step = this.#sparse ? await this.#sparse.solve(residual) : residual.map((x, i) => x * this.#rowsInverse[i]!);
    this.#center(step);
    return step;
  }

  [Symbol.dispose](): void {
    this.#sparse?.[Symbol.dispose]();
  }
}
