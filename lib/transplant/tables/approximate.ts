import { abortable } from '../../core/abortable.ts';
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';

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
  readonly signal: AbortSignal | undefined;
  readonly onRows: (done: number) => void;
}

/** Makes the rows of `targets` from where the stores stand, batch by batch. */
export async function approximateRows(
  device: Device,
  method: Method,
  donor: Table,
  outputs: readonly Output[],
  targets: Int32Array,
  { batchSize, signal, onRows }: ApproximateOptions,
): Promise<void> {
  const start = Math.min(targets.length, ...outputs.map(({ store }) => store.count));
  onRows(start);
  for (let from = start; from < targets.length; from += batchSize) {
    signal?.throwIfAborted();
    const ids = targets.subarray(from, from + batchSize);
    using rows = asTensor(device, donor, await donor.read(ids));
    const nonFinite = await clearNonFinite(device, rows, signal);
    const { rows: made, residuals, coefficientNorms: norms } = await method.approximate(rows, ids, from);
    try {
      for (const [i, output] of outputs.entries()) {
        const tensor = made[i];
        if (!tensor) continue;
        const { bytes, clipped } = await storedRows(device, tensor, output, signal);
        await output.store.write(from, bytes, { residuals, norms, clipped, nonFinite });
      }
    } finally {
      for (const tensor of made) tensor.dispose();
    }
    onRows(from + ids.length);
  }
}

/** Makes rows that are not finite zero; answers which, marked by 1. */
async function clearNonFinite(device: Device, rows: Tensor, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const [count = 0, columns = 0] = rows.shape;
  using squares = Tensor.zeros(device, [count], { dtype: 'f64' });
  ops.rowReduce(device, { x: rows, out: squares, reduction: 'sum_of_squares' });
  const sums = (await abortable(squares.read(), signal)) as Float64Array;
  const wrong = Uint8Array.from(sums, (sum) => (Number.isFinite(sum) ? 0 : 1));
  if (!wrong.includes(1)) return wrong;
  const values = (await rows.read()) as Float32Array;
  for (const [i, isWrong] of wrong.entries()) if (isWrong) values.fill(0, i * columns, (i + 1) * columns);
  rows.write(values);
  return wrong;
}

/** Rows in the dtype of the table, none longer than the limit and none that is not finite. */
async function storedRows(
  device: Device,
  rows: Tensor,
  { table, limit }: Output,
  signal: AbortSignal | undefined,
): Promise<{ bytes: Uint8Array; clipped: Uint8Array }> {
  const [count = 0, columns = 0] = rows.shape;
  using squares = Tensor.zeros(device, [count], { dtype: 'f64' });
  ops.rowReduce(device, { x: rows, out: squares, reduction: 'sum_of_squares' });
  const [values, sums] = await abortable(Promise.all([rows.read(), squares.read()]), signal);
  const clipped = new Uint8Array(count);
  for (let i = 0; i < count; i += 1) {
    const norm = Math.sqrt(sums[i] ?? 0);
    if (norm <= limit) continue;
    // A row that overflowed has no direction to keep.
    const factor = Number.isFinite(norm) ? limit / norm : 0;
    const row = values.subarray(i * columns, (i + 1) * columns);
    for (let j = 0; j < columns; j += 1) row[j] = factor === 0 ? 0 : (row[j] ?? 0) * factor;
    clipped[i] = 1;
  }
  using cut = Tensor.from(device, values, [count, columns]);
  using stored = cut.cast(table.dtype);
  const bits = await abortable(stored.read(), signal);
  return { bytes: new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength), clipped };
}
