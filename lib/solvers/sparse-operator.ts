import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import {
  byColumns,
  byRows,
  checkEntries,
  checkRange,
  checkValues,
  type Lines,
  type MatrixEntries,
  pause,
} from '../core/entries.ts';
import { OrthokitError } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import type { LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { readOptions, type Schema, type Watchers, watchers } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import type { Steps } from '../core/turns.ts';

/** Options of {@link sparseOperator}. */
export interface SparseOperatorOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

/** A sparse matrix on its device. Vectors may be matrices, too, of which each column is one. */
export interface SparseOperator extends LinearOperator {
  /** Entries that are stored. */
  readonly count: number;
  /** True once {@link SparseOperator.dispose} has been called. */
  readonly disposed: boolean;
  /** out = A x, where x is `[n]` or `[n, k]`, and out `[m]` or `[m, k]`. Queued. */
  apply(x: Tensor, out: Tensor): void;
  /** out = Aᵀ y, where y is `[m]` or `[m, k]`, and out `[n]` or `[n, k]`. Queued. */
  adjoint(y: Tensor, out: Tensor): void;
  /** Gives the memory of the entries back; later products throw ERR_DISPOSED. */
  dispose(): void;
  /** Disposes: `using a = await sparseOperator(device, entries)`. */
  [Symbol.dispose](): void;
}

const schema: Schema<Pick<Watchers<never>, 'signal'>> = { signal: watchers<never>().signal };

/**
 * A sparse matrix from a list of its entries, in any order, as an operator whose products go both ways. It is kept by
 * rows (CSR), and by columns as places of the same values, which one pass over the rows gives: nothing is sorted
 * twice. Sums are in f64, in the order of columns.
 *
 * Memory: 16 bytes an entry in f32, 20 in f64, and 4 a row and a column.
 *
 * @param entries Finite values; their kind of array is the dtype. None of the places twice. It may change afterwards.
 * @example
 * const entries = { rows: Int32Array.of(0, 1, 1), cols: Int32Array.of(0, 0, 1), values: Float64Array.of(2, 1, 3) };
 * using a = await sparseOperator(device, { ...entries, shape: [2, 2] });
 * a.apply(x, out);
 *
 * @throws ERR_ARGUMENT for what is no device or no list of entries, for places outside the matrix or that stand twice,
 * and for NaN and infinity; ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted. A product
 * throws for tensors that do not fit
 */
export async function sparseOperator(
  device: Device,
  entries: MatrixEntries,
  options: SparseOperatorOptions = {},
): Promise<SparseOperator> {
  const where = 'sparseOperator';
  check.device(where, 'device', device);
  checkEntries(where, 'entries', entries);
  const { signal } = readOptions(where, options, schema);
  using task = new Task<never>(device, { signal });
  const { shape, rows, cols } = entries;
  const values = entries.values.slice() as Float32Array | Float64Array;
  const list = { rows: rows.slice(), cols: cols.slice(), shape: [...shape] as const };
  await task.run(checkRange(where, 'entries', list));
  await task.run(checkValues(where, 'entries', values));
  const inRows = await task.run(byRows(where, 'entries', list, values));
  const places = await task.run(numbered(values.length));
  const inColumns = await task.run(byColumns({ ...inRows, carried: places }, shape[1]));
  using owned = new Owned<Tensor>();
  const up = <A extends Int32Array | Float32Array | Float64Array>(data: A): Tensor =>
    owned.add(Tensor.from(device, data, [data.length]));
  const lines = ({ starts, across }: Lines<never>) => ({ starts: up(starts), columns: up(across) });
  const kept = up(inRows.carried);
  const { dtype } = kept;
  const forward = { ...lines(inRows as never), values: kept };
  const backward = { ...lines(inColumns as never), values: kept, order: up(inColumns.carried) };
  const all = owned.move();
  let disposed = false;
  const multiply = (name: string, by: typeof forward, [m, n]: readonly [number, number], x: Tensor, out: Tensor) => {
    const own = `${where}.${name}`;
    if (disposed) throw new OrthokitError('ERR_DISPOSED', `${own}: the operator must be in use, got one that has been disposed`); // biome-ignore format: one line
    check.tensor(own, 'x', x, { dtypes: [dtype], device });
    const wide = x.shape.length === 2;
    check.tensor(own, 'x', x, { shape: wide ? [n, undefined] : [n] });
    check.tensor(own, 'out', out, { shape: wide ? [m, x.shape[1]] : [m], dtypes: [dtype], device });
    if (wide) return ops.combineEntries(device, { ...by, x, out });
    using from = x.reshape([n, 1]);
    using to = out.reshape([m, 1]);
    ops.combineEntries(device, { ...by, x: from, out: to });
  };
  const dispose = (): void => {
    disposed = true;
    all.dispose();
  };
  const [m, n] = shape;
  return {
    device,
    dtype,
    shape: [m, n],
    count: values.length,
    get disposed() {
      return disposed;
    },
    apply: (x, out) => multiply('apply', forward, [m, n], x, out),
    adjoint: (y, out) => multiply('adjoint', backward, [n, m], y, out),
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/** 0, 1, 2 … */
function* numbered(size: number): Steps<Int32Array> {
  const out = new Int32Array(size);
  for (let from = 0; from < size; from += pause) {
    for (let e = from; e < Math.min(size, from + pause); ++e) out[e] = e;
    yield;
  }
  return out;
}
