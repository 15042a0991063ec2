import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

import type { Method } from '../methods/method.ts';
import type { RowStore } from './row-store.ts';
import { asTensor, type Table } from './table.ts';

/** A table of the base that gets new rows, and where they are kept. */
export interface Output {
  readonly table: Table;
  readonly store: RowStore;
  /** The norm that new rows may have at most. */
  readonly limit: number;
}

export interface ApproximateOptions {
  readonly batchSize: number;
  readonly onRows: (done: number) => void;
}

/** Makes the rows of `targets` from where the stores stand, batch by batch. */
export async function approximateRows(
  task: Task,
  method: Method,
  donor: Table,
  outputs: readonly Output[],
  targets: Int32Array,
  { batchSize, onRows }: ApproximateOptions,
): Promise<void> {
  const start = Math.min(targets.length, ...outputs.map(({ store }) => store.count));
  onRows(start);
  for (let from = start; from < targets.length; from += batchSize) {
    task.check();
    const ids = targets.subarray(from, from + batchSize);
    using rows = asTensor(task.device, donor, await donor.read(ids));
    const nonFinite = await clearNonFinite(task, rows);
    const { rows: made, residuals, coefficientNorms: norms } = await method.approximate(rows, ids, from);
    using owned = new Owned();
    for (const tensor of made) owned.add(tensor);
    for (const [i, output] of outputs.entries()) {
      const { bytes, clipped } = await storedRows(task, made[i]!, output);
      await output.store.write(from, bytes, { residuals, norms, clipped, nonFinite });
    }
    onRows(from + ids.length);
  }
}

/** Makes rows that are not finite zero; answers which, marked by 1. */
async function clearNonFinite(task: Task, rows: Tensor<'f32'>): Promise<Uint8Array> {
  const columns = rows.shape[1]!;
  using squares = vectors.rowSquares(task.queue, rows);
  const sums = await task.read(squares);
  const wrong = Uint8Array.from(sums, (sum) => (Number.isFinite(sum) ? 0 : 1));
  if (!wrong.includes(1)) return wrong;
  const values = await task.read(rows);
  for (const [i, isWrong] of wrong.entries()) if (isWrong) values.fill(0, i * columns, (i + 1) * columns);
  rows.write(values);
  return wrong;
}

/** Rows in the dtype of the table, none longer than the limit and none that is not finite. */
async function storedRows(
  task: Task,
  rows: Tensor,
  { table, limit }: Output,
): Promise<{ bytes: Uint8Array; clipped: Uint8Array }> {
  const { device, queue } = task;
  const [count = 0, columns = 0] = rows.shape;
  using squares = vectors.rowSquares(queue, rows);
  const [values, sums] = await task.readAll(rows, squares);
  const clipped = new Uint8Array(count);
  for (let i = 0; i < count; ++i) {
    const norm = Math.sqrt(sums[i]!);
    if (norm <= limit) continue;
    // A row that overflowed has no direction to keep.
    const factor = Number.isFinite(norm) ? limit / norm : 0;
    const row = values.subarray(i * columns, (i + 1) * columns);
    for (let j = 0; j < columns; ++j) row[j] = factor === 0 ? 0 : row[j]! * factor;
    clipped[i] = 1;
  }
  using cut = Tensor.from(device, values, [count, columns]);
  using stored = cut.cast(table.dtype);
  const [bits] = await task.readAll(stored);
  return { bytes: new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength), clipped };
}
