import type { Device } from '../../core/device.ts';
import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Pair } from '../problem/cost.ts';
import type { Vectors } from './panels.ts';

/** Entries that a sparse plan may have, as a share of the matrix: where it needs more, its products save little. */
const mostDense = 1 / 20;
/** The share of the mass that it may leave out. */
const dropped = 1e-6;
/** Relative tolerance of systems of the sparse plan: a product with the whole plan costs as much as many of them. */
const sparseTolerance = 1e-5;
/** Iterations on them, at most. */
const sparseIterations = 1000;
/** Added to them, relative to the diagonal: nothing is singular then, and steps are finite. */
const sparseShift = 1e-12;

/** Entries of a plan as `planSparsify` writes them. */
interface Entries {
  readonly starts: Tensor;
  readonly columns: Tensor;
  readonly values: Tensor;
}

/** The large entries of a stored plan, if few are nearly all of it. */
async function largeEntries(
  plan: Tensor,
  mass: number,
  lane: Lane,
  owned: Owned<Tensor>,
): Promise<Entries | undefined> {
  const { device } = plan;
  const [n, m] = plan.shape as [number, number];
  const room = Math.ceil(mostDense * n * m) + n + m;
  const starts = owned.add(new Tensor(device, [n + 1], 'i32'));
  const columns = owned.add(new Tensor(device, [room], 'i32'));
  const values = owned.add(Tensor.zeros(device, [room], { dtype: 'f64' }));
  using rowScale = Tensor.full(device, [n], 1, { dtype: 'f64' });
  using columnScale = Tensor.full(device, [m], 1, { dtype: 'f64' });
  using statistics = new Tensor(device, [2], 'f64');
  using kept = new Tensor(device, [1], 'f64');
  using row = values.reshape([1, room]);
  const entries = { starts, columns, values };
  const scales = { rowScale, columnScale };
  ops.planSparsify(lane.queue, { kernel: plan, ...scales, ...entries, statistics, delta: dropped * mass });
  ops.rowReduce(lane.queue, { x: row, out: kept, reduction: 'sum' });
  // Without room, much more is left out than was asked for.
  return (await lane.read(kept))[0]! >= (1 - 2 * dropped) * mass ? entries : undefined;
}

/** The Schur complement of a stored plan's large entries P̃, with the plan's sums: it preconditions the plan's. */
export class SparseSystem {
  readonly #owned: Owned<Tensor>;
  readonly #entries: Entries;
  readonly #diagonal: Pair;
  readonly #queue: Device;
  /** Written by each solution, and read by nobody. */
  readonly #columnStep: Tensor;
  readonly #statistics: Tensor;
  readonly #columnRhs: Tensor;

  private constructor(entries: Entries, diagonal: Vectors, queue: Device, owned: Owned<Tensor>) {
    const { device } = entries.values;
    const vector = (x: Float64Array) => owned.add(Tensor.from(device, x, [x.length]));
    this.#entries = entries;
    this.#queue = queue;
    this.#diagonal = { rows: vector(diagonal.rows), columns: vector(diagonal.columns) };
    this.#columnRhs = vector(new Float64Array(diagonal.columns.length));
    this.#columnStep = vector(diagonal.columns);
    this.#statistics = vector(new Float64Array(4));
    this.#owned = owned.move();
  }

  /** Nothing if too many entries are needed. */
  static async of(plan: Tensor, mass: number, diagonal: Vectors, lane: Lane): Promise<SparseSystem | undefined> {
    using owned = new Owned<Tensor>();
    const entries = await largeEntries(plan, mass, lane, owned);
    return entries && new SparseSystem(entries, diagonal, lane.queue, owned);
  }

  /** step of (diag(r) − P̃ diag(c)⁻¹ P̃ᵀ) step = rhs, about. */
  solve(rhs: Tensor, step: Tensor): void {
    const { rows, columns } = this.#diagonal;
    ops.sparseNewtonStep(this.#queue, {
      ...this.#entries,
      rowMass: rows,
      rowSums: rows,
      columnMass: columns,
      rowRhs: rhs,
      columnRhs: this.#columnRhs,
      step,
      columnStep: this.#columnStep,
      statistics: this.#statistics,
      shift: sparseShift,
      tol: sparseTolerance,
      maxIterations: sparseIterations,
    });
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}
