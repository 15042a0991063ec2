// OPCM's projection of a task vector away from what was merged before.
import { epsilonOf } from '../../core/dtypes.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { svd } from '../../linalg/index.ts';
import { sumOf } from '../options.ts';

/** A task, whatever its progress is. */
export type AnyTask = Pick<Task, 'device' | 'queue' | 'waitFor' | 'wait' | 'readAll' | 'check'>;

/** Elements of a panel: some rows of a matrix that are worked on at once, or one that is longer. */
export const panelSize: number = 1 << 18;

/** Some rows of a matrix. */
interface Panel {
  readonly from: number;
  readonly to: number;
}

export function* panelsOf([rows, columns]: readonly [number, number]): Generator<Panel, void> {
  const most = Math.max(1, Math.floor(panelSize / columns));
  for (let from = 0; from < rows; from += most) yield { from, to: Math.min(rows, from + most) };
}

/** Rows of a matrix from one on. */
export interface Rows {
  readonly from: number;
  readonly x: Tensor;
}

/**
 * Takes from a matrix X what overlaps with a previous one, U·diag(s)·Vᵀ: X − U·C·Vᵀ, where C holds of Uᵀ·X·V the
 * diagonal, and all of the rows and columns of directions that are protected. X comes in panels of rows, twice: they
 * are measured, and then cleaned. Only thin singular vectors are needed for that.
 */
export class Projection {
  /** The number of directions that are protected: those whose share of the singular values stays within alpha. */
  readonly rank: number;
  /** Directions of singular values above rounding. */
  readonly #count: number;
  readonly #task: AnyTask;
  /** Left singular vectors, columns of [m, min(m, n)]. */
  readonly #left: Tensor;
  /** Right singular vectors, columns of [n, min(m, n)]; V·Cᵀ once all is measured. */
  readonly #right: Tensor;
  /** The first `rank` rows and columns of Uᵀ·X·V. */
  readonly #common: Tensor;
  /** Its diagonal, a row each; of those that are protected 0 once all is measured. */
  readonly #diagonal: Tensor;

  private constructor(
    task: AnyTask,
    { rank, count }: Split,
    { left, right, common, diagonal }: { left: Tensor; right: Tensor; common: Tensor; diagonal: Tensor },
  ) {
    this.rank = rank;
    this.#count = count;
    this.#task = task;
    this.#left = left;
    this.#right = right;
    this.#common = common;
    this.#diagonal = diagonal;
    ops.fill(task.queue, { x: [common, diagonal], value: 0 });
  }

  /**
   * Away from a matrix, f32 or f64, whose memory is used from then on; undefined for one that is 0. What it has belongs
   * to `owned`.
   */
  static async from(
    task: AnyTask,
    previous: Tensor,
    alpha: number,
    owned: Owned<Tensor>,
  ): Promise<Projection | undefined> {
    if (previous.size === 0 || (await isZero(task, previous))) return undefined;
    const { u, s, v } = await task.waitFor(svd(previous));
    using values = s;
    const [left, right] = [owned.add(u), owned.add(v)];
    const own = await splitOf(task, values, alpha, previous.shape);
    if (own.count === 0) return undefined;
    return new Projection(task, own, { left, right, ...measuredIn(previous, own.rank, s.size, owned) });
  }

  /**
   * Away from a matrix P whose columns lie in the span of `left`, orthonormal columns [m, k], and whose rows in that of
   * `right`, [n, k]: its singular vectors are those of leftᵀ·P·right, turned. It comes in panels of rows.
   */
  static async within(
    task: AnyTask,
    { left, right }: { readonly left: Tensor; readonly right: Tensor },
    previous: AsyncIterable<Rows>,
    alpha: number,
    owned: Owned<Tensor>,
  ): Promise<Projection | undefined> {
    const { device, queue } = task;
    const { dtype } = left;
    const rank = left.shape[1]!;
    const square = owned.add(Tensor.zeros(device, [rank, rank], { dtype }));
    for await (const { from, x } of previous) {
      using rows = left.rows(from, from + x.shape[0]!);
      using images = new Tensor(device, rows.shape, dtype);
      ops.gemm(queue, { a: x, b: right, c: images });
      ops.gemm(queue, { a: rows, b: images, c: square, transA: 'transposed', beta: 1 });
      await task.wait(device.flow());
    }
    const { u, s, v } = await task.waitFor(svd(square));
    using values = s;
    using turn = u;
    using other = v;
    const own = await splitOf(task, values, alpha, [left.shape[0]!, right.shape[0]!]);
    if (own.count === 0) return undefined;
    const [ownLeft, ownRight] = [left, right].map(({ shape }) => owned.add(new Tensor(device, shape, dtype)));
    ops.gemm(queue, { a: left, b: turn, c: ownLeft! });
    ops.gemm(queue, { a: right, b: other, c: ownRight! });
    const measured = measuredIn(square, own.rank, rank, owned);
    return new Projection(task, own, { left: ownLeft!, right: ownRight!, ...measured });
  }

  /** Takes note of the rows of X from one on. */
  measure(from: number, x: Tensor): void {
    const { device, queue } = this.#task;
    using rows = this.#left.rows(from, from + x.shape[0]!);
    using left = this.#turned(rows);
    using images = new Tensor(device, left.shape, x.dtype);
    ops.gemm(queue, { a: this.#right, b: x, c: images, transA: 'transposed', transB: 'transposed' });
    using own = left.rows(0, this.rank);
    using other = images.rows(0, this.rank);
    if (this.rank > 0) ops.gemm(queue, { a: own, b: other, c: this.#common, transB: 'transposed', beta: 1 });
    vectors.multiply(queue, left, images, images);
    using ones = Tensor.full(device, [x.shape[0]!, 1], 1, { dtype: x.dtype });
    ops.gemm(queue, { a: images, b: ones, c: this.#diagonal, beta: 1 });
  }

  /** Is called once all rows are measured, and before the first is cleaned. */
  settle(): void {
    const { device, queue } = this.#task;
    using first = this.#diagonal.rows(0, this.rank);
    using last = this.#diagonal.rows(this.#count);
    ops.fill(queue, { x: [first, last], value: 0 });
    using factors = this.#diagonal.reshape([this.#diagonal.size]);
    for (const { from, to } of panelsOf(this.#right.shape as [number, number])) {
      using rows = this.#right.rows(from, to);
      using right = this.#turned(rows);
      using images = new Tensor(device, right.shape, right.dtype);
      ops.scaleAxis(queue, { x: right, scale: factors, out: images, axis: 0 });
      using own = right.rows(0, this.rank);
      using other = images.rows(0, this.rank);
      if (this.rank > 0) ops.gemm(queue, { a: this.#common, b: own, c: other });
      ops.transpose(queue, { x: images, out: rows });
    }
  }

  /** Takes from the rows of X from one on, in place, what overlaps. */
  clean(from: number, x: Tensor): void {
    using left = this.#left.rows(from, from + x.shape[0]!);
    ops.gemm(this.#task.queue, { a: left, b: this.#right, c: x, transB: 'transposed', alpha: -1, beta: 1 });
  }

  /** Some rows of singular vectors, turned: a direction is a row, so that those that are protected are the first. */
  #turned(rows: Tensor): Tensor {
    const [count, directions] = rows.shape as [number, number];
    using owned = new Owned<Tensor>();
    const turned = owned.add(new Tensor(this.#task.device, [directions, count], rows.dtype));
    ops.transpose(this.#task.queue, { x: rows, out: turned });
    return owned.release(turned);
  }

  /** Takes from a whole matrix, in place, what overlaps. */
  async cleanAll(x: Tensor): Promise<void> {
    for (const step of ['measure', 'clean'] as const) {
      for (const { from, to } of panelsOf(x.shape as [number, number])) {
        using rows = x.rows(from, to);
        this[step](from, rows);
        await this.#task.wait(this.#task.device.flow() ?? Promise.resolve());
      }
      if (step === 'measure') this.settle();
    }
  }
}

/** Matrices of zeros take the longest to decompose. */
async function isZero(task: AnyTask, x: Tensor): Promise<boolean> {
  using largest = new Tensor(task.device, [1], 'f64');
  using sizes = x.copy();
  using flat = sizes.reshape([1, x.size]);
  ops.map(task.queue, { x: [flat], out: [flat], function: 'abs' });
  ops.rowReduce(task.queue, { x: flat, out: largest, reduction: 'max' });
  const [found] = await task.readAll(largest);
  return found[0] === 0;
}

interface Split {
  readonly rank: number;
  readonly count: number;
}

/** The same of singular values on a device, of a matrix of these sizes. */
async function splitOf(task: AnyTask, values: Tensor, alpha: number, shape: readonly number[]): Promise<Split> {
  const [found] = await task.readAll(values);
  // Rounding of a matrix, and of its decomposition, makes singular values of half an eps of the largest, hardly more
  // for large matrices: what is cut off above that, of many small values, would be left of a model that comes twice.
  return split(found as Float64Array, alpha, Math.sqrt(Math.max(...shape)) * epsilonOf(values.dtype));
}

/**
 * The number of singular values, the largest first, before the one with which their sum exceeds alpha of the whole,
 * as the authors' program counts; and how many are above a share of the largest.
 */
function split(values: ArrayLike<number>, alpha: number, share: number): Split {
  let total = 0;
  let count = 0;
  for (let i = 0; i < values.length; ++i) {
    total += values[i]!;
    if (values[i]! > share * values[0]!) count += 1;
  }
  let sum = 0;
  let rank = 0;
  while (rank < count) {
    sum += values[rank]!;
    if (sum > alpha * total) break;
    rank += 1;
  }
  return { rank, count };
}

/** A tensor that is projected unless the caller says otherwise: a matrix, but no table with a row a token or place. */
export const isLinear = (name: string, shape: readonly number[]): boolean =>
  shape.length === 2 && !['embed', 'wte', 'wpe', 'lm_head'].some((word) => name.includes(word));

/** True where task vectors cancel: the length of their sum is that of its rounding in `dtype`. */
export const isCanceled = (length: number, lengths: readonly number[], dtype: 'f32' | 'f64'): boolean =>
  length <= 4 * epsilonOf(dtype) * sumOf(lengths);

/** The factor that brings the sum of what was added to the mean length of the task vectors; 1 where they cancel. */
export const factorOf = (length: number, lengths: readonly number[], dtype: 'f32' | 'f64'): number =>
  isCanceled(length, lengths, dtype) ? 1 : sumOf(lengths) / lengths.length / length;

/** Tensors for what is measured of `size` directions, `rank` of them protected: in a matrix's memory, and beside it. */
function measuredIn(
  matrix: Tensor,
  rank: number,
  size: number,
  owned: Owned<Tensor>,
): { common: Tensor; diagonal: Tensor } {
  using flat = matrix.reshape([matrix.size]);
  using begin = flat.rows(0, rank ** 2);
  const common = owned.add(begin.reshape([rank, rank]));
  return { common, diagonal: owned.add(new Tensor(matrix.device, [size, 1], matrix.dtype)) };
}
