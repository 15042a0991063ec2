import { Buffer } from 'node:buffer';
import type { OpenTensorFile } from '../safetensors/file.ts';
import type { TensorInfo } from '../safetensors/header.ts';
import { type TensorSource, writeTensorFile } from '../safetensors/write.ts';
import { editJson } from '../tokenizer/json-edit.ts';
import type { Journal } from './journal.ts';
import { approximated, type Plan, unused } from './plan.ts';
import { rowsPerStep, type Table } from './table.ts';
import { indexName, type Weights } from './weights.ts';
import type { Workspace } from './workspace.ts';

const pieceBytes = 1 << 22;

/** A table that is written anew. */
export interface NewTable {
  readonly table: Table;
  readonly plan: Plan;
  readonly journal: Journal;
  /** The bytes of a row that no token needs. */
  readonly unusedRow: (row: number) => Promise<Uint8Array>;
}

export interface AssembleOptions {
  readonly op: string;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (done: number, total: number) => void;
}

/** Writes every file of weights: new tables, and all other tensors byte for byte. */
export async function writeWeights(
  workspace: Workspace,
  weights: Weights,
  tables: readonly NewTable[],
  { op, signal, onBytes }: AssembleOptions,
): Promise<void> {
  const files = new Map<string, OpenTensorFile>();
  for (const shard of weights.shards) files.set(shard, await weights.shard(shard));
  const newOf = new Map(tables.map((table) => [table.table.name, table]));
  const bytesOf = (name: string, info: TensorInfo): number => {
    const made = newOf.get(name);
    return made ? made.plan.from.length * made.table.rowBytes : info.byteLength;
  };
  const sizeOf = ({ tensors }: OpenTensorFile): number =>
    [...tensors].reduce((sum, [name, info]) => sum + bytesOf(name, info), 0);
  const total = [...files.values()].reduce((sum, file) => sum + sizeOf(file), 0);
  let done = 0;
  for (const [shard, file] of files) {
    if (!(await workspace.has(shard))) {
      const sources = [...file.tensors].map(([name, info]): TensorSource => {
        const made = newOf.get(name);
        const { dtype } = info;
        if (!made) return { name, dtype, shape: info.shape, data: () => copied(file, info) };
        return { name, dtype, shape: [made.plan.from.length, made.table.columns], data: () => newRows(made) };
      });
      const metadata = Object.fromEntries(file.metadata);
      const before = done;
      await writeTensorFile(workspace.file(shard), sources, {
        op,
        signal,
        metadata,
        onProgress: (progress) => onBytes(before + progress.done, total),
      });
    }
    done += sizeOf(file);
    onBytes(done, total);
  }
  if (weights.index) await writeIndex(workspace, weights, total);
}

async function* copied(file: OpenTensorFile, info: TensorInfo): AsyncGenerator<Uint8Array, void> {
  for (let from = 0; from < info.byteLength; from += pieceBytes) {
    const piece = new Uint8Array(Math.min(pieceBytes, info.byteLength - from));
    await file.readRange(info, from, piece);
    yield piece;
  }
}

async function* newRows({ table, plan, journal, unusedRow }: NewTable): AsyncGenerator<Uint8Array, void> {
  const { from, targets } = plan;
  const { rowBytes } = table;
  const step = rowsPerStep(table);
  let made = 0;
  for (let begin = 0; begin < from.length; begin += step) {
    const part = from.subarray(begin, begin + step);
    const bytes = new Uint8Array(part.length * rowBytes);
    // Reading wants rising ids; two tokens may take the same row.
    const ids = Int32Array.from(new Set(part.filter((id) => id >= 0))).sort();
    const rows = await table.read(ids);
    const placeOf = new Map(Array.from(ids, (id, place) => [id, place]));
    const count = part.filter((id) => id === approximated).length;
    const { rows: fresh } = await journal.read(made, count);
    made += count;
    let next = 0;
    for (const [i, id] of part.entries()) {
      let row: Uint8Array;
      if (id === approximated) {
        row = fresh.subarray(next * rowBytes, (next + 1) * rowBytes);
        next += 1;
      } else if (id === unused) row = await unusedRow(begin + i);
      else {
        const place = placeOf.get(id) ?? 0;
        row = rows.subarray(place * rowBytes, (place + 1) * rowBytes);
      }
      bytes.set(row, i * rowBytes);
    }
    yield bytes;
  }
  if (made !== targets.length) throw new Error(`${table.name}: ${made} of ${targets.length} rows were made`);
}

async function writeIndex(workspace: Workspace, { folder, index }: Weights, total: number): Promise<void> {
  const bytes = await folder.read(indexName, pieceBytes * 4);
  if (!bytes || !index) return;
  const patch = { metadata: { total_size: total } };
  await workspace.write(indexName, Buffer.from(editJson(bytes, patch, folder.fail, indexName)));
}
