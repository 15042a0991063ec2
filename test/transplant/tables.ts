import { Task } from '../../lib/core/task.ts';
import type { Device } from '../../lib/index.ts';
import type { MethodContext, MethodSettings } from '../../lib/transplant/methods/method.ts';
import { allIds, scanRows } from '../../lib/transplant/tables/scan.ts';
import type { Table } from '../../lib/transplant/tables/table.ts';
import { parsed } from '../tokenizers/tokenizers.ts';
import { byteLevelTokenizer } from './models.ts';

/** A table that lives in memory. */
export function tableOf(values: ArrayLike<number>, columns: number, name = 'table'): Table {
  const data = Float32Array.from(values);
  return {
    name,
    shard: 'model.safetensors',
    rows: data.length / columns,
    columns,
    dtype: 'f32',
    fileDtype: 'F32',
    rowBytes: 4 * columns,
    async read(ids) {
      const out = new Float32Array(ids.length * columns);
      for (const [i, id] of ids.entries()) out.set(data.subarray(id * columns, (id + 1) * columns), i * columns);
      return new Uint8Array(out.buffer);
    },
  };
}

const settings: MethodSettings = {
  k: 64,
  select: 'raw',
  weightScheme: 'distance_proportional',
  metric: 'euclidean',
  subwordMethod: 'mean',
  seed: 1,
  memoryLimit: 2 ** 30,
};

/** A method's surroundings in which row i of both tables is the same token; the donor may have more rows. */
export async function contextOf(
  device: Device,
  donor: Table,
  bases: readonly Table[],
  more: Partial<MethodSettings> = {},
): Promise<MethodContext> {
  const empty = parsed(byteLevelTokenizer([]));
  const ids = allIds(Math.min(donor.rows, ...bases.map(({ rows }) => rows)));
  const task = new Task(device);
  return {
    task,
    donor,
    bases: await Promise.all(
      bases.map(async (table, i) => ({
        table,
        scan: await scanRows(task, table, allIds(table.rows)),
        isHead: i > 0,
      })),
    ),
    anchors: { base: ids, donor: ids },
    tokenizers: { base: empty, donor: empty },
    settings: { ...settings, ...more },
  };
}
