import { ops } from '../../core/native-ops.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Tokenizer } from '../../tokenizers/index.ts';
import { allIds, quantile, type Scan } from './scan.ts';
import { asTensor, rowsPerStep, steps, type Table } from './table.ts';

const placeholder = /unused_token|reserved_special_token/;
const normShare = 0.01;
const cosineShare = 0.99;
const leastCosine = 0.5;

/**
 * Rows that look never trained, by id: those of no token and of placeholders; where embeddings and head are two tables,
 * the shortest 1 %; and rows in the direction of the mean of those of no token, beyond the 99 % quantile and 0.5 in
 * cosine ("Fishing for Magikarp", arXiv 2405.05417, as in mergekit-tokensurgeon).
 */
export async function untrainedRows(
  task: Task,
  table: Table,
  scan: Scan,
  { tokens }: Tokenizer,
  isTied: boolean,
): Promise<Uint8Array> {
  const { device, queue } = task;
  const ids = allIds(table.rows);
  const isUnused = (id: number): boolean => tokens[id] === undefined || placeholder.test(tokens[id]);
  const untrained = Uint8Array.from(ids, (id) => (isUnused(id) ? 1 : 0));
  if (!isTied) {
    const limit = quantile(scan.norms.filter(Number.isFinite), normShare);
    for (const id of ids) if (scan.norms[id]! < limit) untrained[id] = 1;
  }
  const mean = await meanRow(task, table, scan, ids.filter(isUnused));
  const length = Math.hypot(...mean);
  if (length === 0) return untrained;
  const cosines = new Float64Array(table.rows);
  using direction = Tensor.from(device, mean, [table.columns, 1]);
  for (const part of steps(ids, rowsPerStep(table))) {
    using rows = asTensor(device, table, await table.read(part));
    using dots = Tensor.zeros(device, [part.length, 1]);
    ops.gemm(queue, { a: rows, b: direction, c: dots });
    const [found] = await task.readAll(dots);
    for (const [i, id] of part.entries()) cosines[id] = found[i]! / (length * (scan.norms[id] || 1));
  }
  const limit = Math.max(quantile(cosines.filter(Number.isFinite), cosineShare), leastCosine);
  for (const id of ids) if (cosines[id]! > limit) untrained[id] = 1;
  return untrained;
}

/** The mean of finite rows. */
async function meanRow(task: Task, table: Table, scan: Scan, ids: Int32Array): Promise<Float32Array> {
  const { device, queue } = task;
  const finite = ids.filter((id) => Number.isFinite(scan.norms[id]!));
  const sum = new Float64Array(table.columns);
  for (const part of steps(finite, rowsPerStep(table))) {
    using rows = asTensor(device, table, await table.read(part));
    using total = Tensor.zeros(device, [table.columns], { dtype: 'f64' });
    ops.columnReduce(queue, { x: rows, out: total });
    for (const [j, value] of (await task.read(total)).entries()) sum[j]! += value;
  }
  return Float32Array.from(sum, (value) => value / Math.max(1, finite.length));
}
