import { OrthokitError } from '../errors.ts';
import { ops } from '../native-ops.ts';
import { checkOptions, shown } from '../options.ts';
import { Tensor } from '../tensor.ts';
import type { Cost } from './cost.ts';
import type { Potentials, TransportIterations } from './options.ts';

/**
 * How a solver ended: `'converged'`, the error is at most `tol`; `'max-iterations'`, sweeps or Newton steps ran out;
 * `'at-precision'`, the numbers of this dtype do not get nearer; `'infeasible'`, the pairs that are not forbidden cannot carry
 * the masses.
 */
export type TransportStatus = 'converged' | 'max-iterations' | 'at-precision' | 'infeasible';

/** Options of {@link TransportResult.plan}. */
export interface PlanOptions {
  /** Only the elements that are at least so large, in rows. There is no default: without it the plan is dense. */
  threshold: number;
}

/** The large elements of a plan, in order of rows, then columns. */
export interface SparsePlan {
  /** The row of each element. */
  readonly rows: Int32Array;
  /** Its column. */
  readonly cols: Int32Array;
  /** The element, in the cost's dtype. */
  readonly values: Float32Array | Float64Array;
}

/** Everything that a result is made of. */
export interface Solved {
  cost: Cost;
  f: Tensor;
  g: Tensor;
  eps: number;
  value: number;
  linear: number;
  marginalError: number;
  status: TransportStatus;
  iterations: TransportIterations;
}

/** A solved transport problem: potentials, from which the plan is computed when it is asked for. */
export class TransportResult implements Potentials {
  /** Potentials of the rows, in the cost's dtype; −infinity for a mass of 0. P = exp((fᵢ + gⱼ − Cᵢⱼ) / eps). */
  readonly f: Tensor;
  /** Potentials of the columns, with the mean of `f` over the masses that are not 0. */
  readonly g: Tensor;
  /** The strength of the entropy. */
  readonly eps: number;
  /** ⟨C, P⟩ + eps Σ P ln P. */
  readonly value: number;
  /** ⟨C, P⟩. */
  readonly cost: number;
  /** Σ |P 1 − a| + Σ |Pᵀ 1 − b|, computed with these potentials in f64. */
  readonly marginalError: number;
  /** How the solver ended. */
  readonly status: TransportStatus;
  /** What it did. */
  readonly iterations: Readonly<TransportIterations>;
  readonly #cost: Cost;

  /** @internal */
  constructor(solved: Solved) {
    this.f = solved.f;
    this.g = solved.g;
    this.eps = solved.eps;
    this.value = solved.value;
    this.cost = solved.linear;
    this.marginalError = solved.marginalError;
    this.status = solved.status;
    this.iterations = Object.freeze(solved.iterations);
    this.#cost = solved.cost;
  }

  /**
   * The plan, from the potentials and the cost's present elements: dense, in the cost's dtype.
   * @throws ERR_DISPOSED, ERR_MEMORY
   */
  plan(): Promise<Tensor>;
  /**
   * The elements that are at least `threshold`, as arrays.
   * @throws ERR_ARGUMENT unless the threshold is positive; ERR_DISPOSED, ERR_MEMORY
   */
  plan(options: PlanOptions): Promise<SparsePlan>;
  async plan(options?: Partial<PlanOptions>): Promise<Tensor | SparsePlan> {
    if (options !== undefined) checkOptions('plan', options, ['threshold']);
    const { rows, columns, dtype, device } = this.#cost;
    const kernel = new Tensor(device, [rows, columns], dtype);
    try {
      using f = this.f.cast('f64');
      using g = this.g.cast('f64');
      this.#cost.gibbsKernel({ rows: f, columns: g }, this.eps, kernel);
      const threshold = options?.threshold;
      if (threshold === undefined) return kernel;
      if (typeof threshold !== 'number' || !(threshold > 0 && threshold < Infinity))
        throw new OrthokitError('ERR_ARGUMENT', `plan: threshold must be a positive number, got ${shown(threshold)}`);
      const sparse = await sparsePlan(kernel, threshold);
      kernel.dispose();
      return sparse;
    } catch (error) {
      kernel.dispose();
      throw error;
    }
  }

  /** Gives the potentials' memory back, and lets go of the cost. */
  dispose(): void {
    this.f.dispose();
    this.g.dispose();
    this.#cost.dispose();
  }

  /** Disposes: `using result = await sinkhorn(…)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The elements of a matrix that are at least `threshold`: counted first, then written where there is room for them. */
async function sparsePlan(kernel: Tensor, threshold: number): Promise<SparsePlan> {
  const { device } = kernel;
  const [n, m] = kernel.shape as [number, number];
  using row_scale = Tensor.full(device, [n], 1, { dtype: 'f64' });
  using column_scale = Tensor.full(device, [m], 1, { dtype: 'f64' });
  using starts = new Tensor(device, [n + 1], 'i32');
  using statistics = new Tensor(device, [2], 'f64');
  const list = (columns: Tensor, values: Tensor): void =>
    ops.planSparsify(device, { kernel, row_scale, column_scale, starts, columns, values, statistics, threshold });
  let count = 0;
  {
    using none = new Tensor(device, [0], 'i32');
    using nothing = new Tensor(device, [0], 'f64');
    list(none, nothing);
    count = (await statistics.read())[0]!;
  }
  using columns = new Tensor(device, [count], 'i32');
  using values = new Tensor(device, [count], 'f64');
  list(columns, values);
  const [first, column, value] = await Promise.all([starts.read(), columns.read(), values.read()]);
  const row = new Int32Array(count);
  for (let i = 0; i < n; ++i) row.fill(i, first[i]!, first[i + 1]!);
  return {
    rows: row,
    cols: column as Int32Array,
    values: kernel.dtype === 'f32' ? Float32Array.from(value) : (value as Float64Array),
  };
}
