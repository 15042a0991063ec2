import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { Data, SparseLines } from './data.ts';
import { byLength, marked } from './lines.ts';
import { tensorOf } from './numbers.ts';
import type { Regress } from './regression.ts';
import { orthonormal } from './start.ts';

/** Root mean squares after a round. */
export interface Errors {
  readonly train: number;
  /** The error of the entries that are held out; NaN if there are none. */
  readonly heldOut: number;
}

interface Own {
  readonly rank: number;
  readonly hasBias: boolean;
  /** True: the factor that is regressed on is made orthonormal first, which changes no product. */
  readonly isOrthonormal: boolean;
}

/**
 * Both factors, each found in terms of the other. With a bias a factor has one column more, the bias of its line, and
 * is regressed on as [factor, 1], the bias taken off the values.
 */
export class Alternation {
  readonly #task: Task<never>;
  readonly #data: Data;
  readonly #regress: Regress;
  readonly #own: Own;
  readonly #owned: Owned<Tensor>;
  /** Solutions of the rows and of the columns. */
  readonly #u: Tensor;
  readonly #v: Tensor;
  /** The columns' factor as the rows were regressed on it. */
  #regressor: Tensor;
  #shift: Tensor | undefined;
  readonly #squares: Tensor;
  readonly #singular: Record<'rows' | 'columns', Tensor>;
  readonly #total: Tensor;
  readonly #heldOut: Tensor | undefined;

  /** `start`: `[rows, rank]`; it becomes the alternation's. */
  constructor(task: Task<never>, data: Data, regress: Regress, own: Own, start: Tensor, owned: Owned<Tensor>) {
    this.#task = task;
    this.#data = data;
    this.#regress = regress;
    this.#own = own;
    this.#owned = owned;
    const { device, dtype, shape, heldOut } = data;
    const [m, n] = shape;
    const width = own.rank + (own.hasBias ? 1 : 0);
    this.#u = owned.add(Tensor.zeros(device, [m, width], { dtype }));
    this.#v = owned.add(Tensor.zeros(device, [n, width], { dtype }));
    this.#placed(start, this.#u);
    this.#regressor = owned.add(Tensor.zeros(device, [n, width], { dtype }));
    this.#squares = owned.add(new Tensor(device, [m], 'f64'));
    this.#singular = {
      rows: owned.add(Tensor.zeros(device, [m], { dtype: 'i32' })),
      columns: owned.add(Tensor.zeros(device, [n], { dtype: 'i32' })),
    };
    this.#total = owned.add(new Tensor(device, [2], 'f64'));
    this.#heldOut = heldOut && owned.add(new Tensor(device, heldOut.values.shape, dtype));
  }

  /** Columns by rows, then rows by columns. */
  async round(): Promise<Errors> {
    const { byRow, byColumn, entries, heldOut, unit } = this.#data;
    const across = await this.#regressorOf(this.#u, byRow);
    const shift = this.#biasOf(this.#u);
    await this.#regress({ lines: byColumn, x: across, shift, out: this.#v, singular: this.#singular.columns });
    this.#owned.drop(across);
    if (shift) this.#owned.drop(shift);

    this.#owned.drop(this.#regressor);
    if (this.#shift) this.#owned.drop(this.#shift);
    this.#regressor = await this.#regressorOf(this.#v, byColumn);
    this.#shift = this.#biasOf(this.#v);
    await this.#regress({ lines: byRow, x: this.#regressor, shift: this.#shift, out: this.#u, squares: this.#squares, singular: this.#singular.rows }); // biome-ignore format: one line

    const { queue } = this.#task;
    using train = this.#total.rows(0, 1);
    using test = this.#total.rows(1, 2);
    using row = this.#squares.reshape([1, this.#squares.size]);
    ops.rowReduce(queue, { x: row, out: train, reduction: 'sum' });
    if (heldOut && this.#heldOut) {
      using factors = new Owned<Tensor>();
      const { u, v } = this.#factors(factors);
      const out = this.#heldOut;
      ops.entryProducts(queue, { rows: heldOut.rows, columns: heldOut.columns, x: u, y: v, out });
      vectors.axpy(queue, -1, heldOut.values, out);
      vectors.dot(queue, out, out, test);
    }
    const [squares, others] = (await this.#task.read(this.#total)) as unknown as [number, number];
    return {
      train: Math.sqrt(squares / entries) * unit,
      heldOut: heldOut ? Math.sqrt(others / heldOut.values.size) * unit : NaN,
    };
  }

  /**
   * u and v with u vᵀ as the matrix: with a bias two columns more, the bias of the row and 1, and 1 and mean plus bias
   * of the column.
   */
  factors(owned: Owned<Tensor>): { u: Tensor; v: Tensor } {
    const { rank, hasBias } = this.#own;
    const { mean, unit } = this.#data;
    const { u, v } = this.#factors(owned);
    if (hasBias) this.#addToColumn(v, rank + 1, mean);
    if (unit !== 1) {
      this.#scaleColumns(u, (column) => (hasBias && column === rank + 1 ? 1 : unit));
      if (hasBias) this.#scaleColumns(v, (column) => (column === rank + 1 ? unit : 1));
    }
    return { u, v };
  }

  /** The same less the mean, in the unit of the values. */
  #factors(owned: Owned<Tensor>): { u: Tensor; v: Tensor } {
    const { rank, hasBias } = this.#own;
    const { device, dtype, shape } = this.#data;
    const [m, n] = shape;
    const width = rank + (hasBias ? 2 : 0);
    const u = owned.add(Tensor.zeros(device, [m, width], { dtype }));
    const v = owned.add(Tensor.zeros(device, [n, width], { dtype }));
    if (!hasBias) {
      vectors.copy(this.#task.queue, this.#u, u);
      vectors.copy(this.#task.queue, this.#regressor, v);
      return { u, v };
    }
    // The columns of u: factor and bias in their places, then 1. Those of v: factor and the 1 of the regressor, then
    // its own bias.
    this.#placed(this.#u, u);
    this.#addToColumn(u, rank + 1, 1);
    this.#placed(this.#regressor, v);
    this.#placedColumn(this.#shift!, v, rank + 1);
    return { u, v };
  }

  /** Lines whose equations were singular in the last round. */
  async singular(): Promise<{ rows: Int32Array; columns: Int32Array }> {
    const [rows, columns] = await this.#task.readAll(this.#singular.rows, this.#singular.columns);
    const placesOf = (marks: ArrayLike<number>) => this.#task.run(marked(marks as Int32Array));
    return { rows: await placesOf(rows), columns: await placesOf(columns) };
  }

  /** The factor that the other side is regressed on; owned. */
  async #regressorOf(solution: Tensor, { count, places }: SparseLines): Promise<Tensor> {
    const { rank, hasBias, isOrthonormal } = this.#own;
    const { device, dtype } = this.#data;
    const out = this.#owned.add(Tensor.zeros(device, solution.shape, { dtype }));
    if (!isOrthonormal) {
      vectors.copy(this.#task.queue, solution, out);
      if (hasBias) {
        const ones = new Float64Array(rank + 1).fill(1);
        ones[rank] = 0;
        using scale = tensorOf(device, ones, [rank + 1], dtype);
        ops.scaleAxis(this.#task.queue, { x: out, scale, out });
        this.#addToColumn(out, rank, 1);
      }
      return out;
    }
    using factor = new Tensor(device, [count, rank], dtype);
    this.#placed(solution, factor);
    using q = await orthonormal(this.#task, factor);
    this.#placed(q, out);
    // Directions that are free in Q may have parts in lines without entries, which are to be 0.
    const filled = await this.#task.run(byLength(places, (length) => Math.min(length, 1)));
    using scale = tensorOf(device, filled, [count], dtype);
    ops.scaleAxis(this.#task.queue, { x: out, scale, out, axis: 0 });
    if (hasBias) this.#addToColumn(out, rank, 1);
    return out;
  }

  #biasOf(solution: Tensor): Tensor | undefined {
    const { rank, hasBias } = this.#own;
    if (!hasBias) return undefined;
    const { device, dtype } = this.#data;
    const out = this.#owned.add(new Tensor(device, [solution.shape[0]!], dtype));
    const unit = new Float64Array(rank + 1);
    unit[rank] = 1;
    using pick = tensorOf(device, unit, [rank + 1, 1], dtype);
    using c = out.reshape([out.size, 1]);
    ops.gemm(this.#task.queue, { a: solution, b: pick, c });
    return out;
  }

  /** The first columns of `to` become those of `from`, as many as both have; the others 0. */
  #placed(from: Tensor, to: Tensor): void {
    const [width, wide] = [from.shape[1]!, to.shape[1]!];
    const identity = new Float64Array(width * wide);
    for (let j = 0; j < Math.min(width, wide); ++j) identity[j * wide + j] = 1;
    using b = tensorOf(to.device, identity, [width, wide], to.dtype);
    ops.gemm(this.#task.queue, { a: from, b, c: to });
  }

  /** to[:, column] += x, a number each row. */
  #placedColumn(x: Tensor, to: Tensor, column: number): void {
    const wide = to.shape[1]!;
    const unit = new Float64Array(wide);
    unit[column] = 1;
    using b = tensorOf(to.device, unit, [1, wide], to.dtype);
    using a = x.reshape([x.size, 1]);
    ops.gemm(this.#task.queue, { a, b, c: to, beta: 1 });
  }

  #scaleColumns(x: Tensor, factor: (column: number) => number): void {
    const factors = Float64Array.from({ length: x.shape[1]! }, (_, column) => factor(column));
    using scale = tensorOf(x.device, factors, [factors.length], x.dtype);
    ops.scaleAxis(this.#task.queue, { x, scale, out: x });
  }

  #addToColumn(x: Tensor, column: number, value: number): void {
    const row = new Float64Array(x.shape[1]!);
    row[column] = value;
    using bias = tensorOf(x.device, row, [row.length], x.dtype);
    ops.addBias(this.#task.queue, { x, bias, out: x });
  }
}
