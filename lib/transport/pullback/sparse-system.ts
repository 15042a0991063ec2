import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Pair } from '../problem/cost.ts';
import type { Vectors } from './panels.ts';

/** Entries that a sparse plan may have, as a share of the matrix: where it needs more, its products save little. */
const mostDense = 1 / 20;
/** The share of the mass that it may leave out. */
const dropped = 1e-6;
/** Systems of the sparse plan are solved to this: one product with the whole plan costs as much as many with that. */
const sparseTolerance = 1e-5;
/** … in so many iterations. */
const sparseIterations = 1000;
/** Added to them, relative to the diagonal: nothing is singular then, and steps are finite. */
const sparseShift = 1e-12;

/** Entries of a plan as `planSparsify` writes them. */
interface Entries {
  readonly starts: Tensor;
  readonly columns: Tensor;
  readonly values: Tensor;
}

/** The large entries of a stored plan, if few are nearly all of it; who asked for them disposes of them. */
async function largeEntries(plan: Tensor, mass: number, lane: Lane): Promise<Entries | undefined> {
  const { device } = plan;
  const [n, m] = plan.shape as [number, number];
  const room = Math.ceil(mostDense * n * m) + n + m;
  const owned: Tensor[] = [];
  const own = (tensor: Tensor): Tensor => {
    owned.push(tensor);
    return tensor;
  };
  let isNearlyAll = false;
  try {
    const starts = own(new Tensor(device, [n + 1], 'i32'));
    const columns = own(new Tensor(device, [room], 'i32'));
    const values = own(Tensor.zeros(device, [room], { dtype: 'f64' }));
    using rowScale = Tensor.full(device, [n], 1, { dtype: 'f64' });
    using columnScale = Tensor.full(device, [m], 1, { dtype: 'f64' });
    using statistics = new Tensor(device, [2], 'f64');
    using kept = new Tensor(device, [1], 'f64');
    using row = values.reshape([1, room]);
    const entries = { starts, columns, values };
    ops.planSparsify(lane.queue, {
      kernel: plan,
      rowScale,
      columnScale,
      ...entries,
      statistics,
      delta: dropped * mass,
    });
    ops.rowReduce(lane.queue, { x: row, out: kept, reduction: 'sum' });
    // Without room, much more is left out than was asked for.
    isNearlyAll = (await lane.read(kept))[0]! >= (1 - 2 * dropped) * mass;
    return isNearlyAll ? entries : undefined;
  } finally {
    if (!isNearlyAll) for (const tensor of owned) tensor.dispose();
  }
}

/** The Schur complement of a stored plan's large entries P̃, with the sums of the whole plan: what preconditions that of the plan. */
export class SparseSystem {
  readonly #entries: Entries;
  readonly #diagonal: Pair;
  readonly #lane: Lane;

  private constructor(entries: Entries, diagonal: Pair, lane: Lane) {
    this.#entries = entries;
    this.#diagonal = diagonal;
    this.#lane = lane;
  }

  /** Nothing if too many entries are needed. */
  static async of(plan: Tensor, mass: number, diagonal: Vectors, lane: Lane): Promise<SparseSystem | undefined> {
    const owned: Tensor[] = [];
    try {
      for (const x of [diagonal.rows, diagonal.columns]) owned.push(Tensor.from(plan.device, x, [x.length]));
      const entries = await largeEntries(plan, mass, lane);
      const [rows, columns] = owned as [Tensor, Tensor];
      if (entries) return new SparseSystem(entries, { rows, columns }, lane);
    } catch (error) {
      for (const tensor of owned) tensor.dispose();
      throw error;
    }
    for (const tensor of owned) tensor.dispose();
    return undefined;
  }

  /** x of (diag(r) − P̃ diag(c)⁻¹ P̃ᵀ) x = rhs, about. */
  async solve(rhs: Float64Array): Promise<Float64Array> {
    const { rows, columns } = this.#diagonal;
    const { device } = rows;
    using rowRhs = Tensor.from(device, rhs, [rhs.length]);
    using columnRhs = Tensor.zeros(device, [columns.size], { dtype: 'f64' });
    using step = new Tensor(device, [rhs.length], 'f64');
    using columnStep = new Tensor(device, [columns.size], 'f64');
    using statistics = new Tensor(device, [4], 'f64');
    ops.sparseNewtonStep(this.#lane.queue, {
      ...this.#entries,
      rowMass: rows,
      rowSums: rows,
      columnMass: columns,
      rowRhs,
      columnRhs,
      step,
      columnStep,
      statistics,
      shift: sparseShift,
      tol: sparseTolerance,
      most: sparseIterations,
    });
    return await this.#lane.read(step);
  }

  [Symbol.dispose](): void {
    for (const tensor of [...Object.values(this.#entries), ...Object.values(this.#diagonal)] as Tensor[])
      tensor.dispose();
  }
}
