import { filled } from '../../core/all-or-none.ts';
import { ops } from '../../core/native-ops.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { gather, type Table } from '../tables/table.ts';

/** Rows in the order of `ids`, which need not rise. */
export async function gatherUnordered(task: Task, table: Table, ids: Int32Array): Promise<Tensor> {
  const sorted = Int32Array.from(new Set(ids)).sort();
  const isOrdered = sorted.length === ids.length && ids.every((id, i) => id === sorted[i]);
  if (isOrdered) return gather(task, table, ids);
  const { device, queue } = task;
  const placeOf = new Map(Array.from(sorted, (id, place) => [id, place]));
  using rows = await gather(task, table, sorted);
  using index = vectors.index(device, ids.length, (i) => placeOf.get(ids[i]!)!);
  return filled(new Tensor(device, [ids.length, table.columns]), (out) => {
    ops.gatherRows(queue, { x: rows, index, out });
  });
}
