import { createHash } from 'node:crypto';
import { ops } from '../../core/native-ops.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { asTensor, rowsPerStep, steps, type Table } from './table.ts';

/** Findings of a walk over rows of a table. */
export interface Scan {
  /** Euclidean norms by position in the ids; NaN or infinite where the row is. */
  readonly norms: Float64Array;
  /** A digest of each row's bytes, where they were asked for. */
  readonly digests: readonly string[];
  /** The sum of the finite rows. */
  readonly sum: Float64Array;
}

/** Reads rows once, a step at a time. */
export async function scanRows(
  task: Task,
  table: Table,
  ids: Int32Array,
  { digests: wantDigests = false }: { digests?: boolean } = {},
): Promise<Scan> {
  const { device, queue } = task;
  const norms = new Float64Array(ids.length);
  const sum = new Float64Array(table.columns);
  const digests: string[] = [];
  let from = 0;
  for (const part of steps(ids, rowsPerStep(table))) {
    task.check();
    const bytes = await table.read(part);
    if (wantDigests) {
      for (let at = 0; at < bytes.length; at += table.rowBytes)
        digests.push(digestOf(bytes.subarray(at, at + table.rowBytes)));
    }
    using rows = asTensor(device, table, bytes);
    using total = Tensor.zeros(device, [table.columns], { dtype: 'f64' });
    using squares = vectors.rowSquares(queue, rows);
    ops.columnReduce(queue, { x: rows, out: total });
    const [found, totals] = await task.readAll(squares, total);
    let allFinite = true;
    for (let i = 0; i < part.length; ++i) {
      const norm = Math.sqrt(found[i]!);
      norms[from + i] = norm;
      allFinite &&= Number.isFinite(norm);
    }
    if (allFinite) for (let j = 0; j < sum.length; ++j) sum[j]! += totals[j]!;
    else await addFinite(task, rows, sum, norms.subarray(from, from + part.length));
    from += part.length;
  }
  return { norms, digests, sum };
}

/** Rows that are not finite are rare: they are left out one by one. */
async function addFinite(task: Task, rows: Tensor, sum: Float64Array, norms: Float64Array): Promise<void> {
  const [values] = await task.readAll(rows);
  for (const [i, norm] of norms.entries()) {
    if (!Number.isFinite(norm)) continue;
    for (let j = 0; j < sum.length; ++j) sum[j]! += values[i * sum.length + j]!;
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}

/** The value below which a part `q` of the numbers lies, by linear interpolation; 0 of none. */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return 0;
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}

/** 0, 1, … `count` − 1. */
export const allIds = (count: number): Int32Array => Int32Array.from({ length: count }, (_, id) => id);
