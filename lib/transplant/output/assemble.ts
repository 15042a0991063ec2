import { isRecord } from '../../core/options.ts';
import { inTurns } from '../../core/turns.ts';
import { pieceBytes } from '../../files/contents.ts';
import { editJson } from '../../files/json/edit.ts';
import { limits } from '../../files/model-folder/limits.ts';
import { indexName } from '../../files/model-folder/shard-index.ts';
import type { Weights } from '../../files/model-folder/weights.ts';
import type { OpenTensorFile } from '../../files/safetensors/file.ts';
import type { TensorInfo } from '../../files/safetensors/header.ts';
import { type TensorSource, writeTensorFile } from '../../files/safetensors/write.ts';
import { type NewTable, newRows } from '../tables/new-table.ts';
import type { Workspace } from './workspace.ts';

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
  const sizes = new Map([...files].map(([shard, file]) => [shard, sizeOf(file)]));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
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
    done += sizes.get(shard) ?? 0;
    onBytes(done, total);
  }
  if (weights.index) await writeIndex(workspace, weights, total, tables);
}

async function* copied(file: OpenTensorFile, info: TensorInfo): AsyncGenerator<Uint8Array, void> {
  for (let from = 0; from < info.byteLength; from += pieceBytes) {
    const piece = new Uint8Array(Math.min(pieceBytes, info.byteLength - from));
    await file.readRange(info, from, piece);
    yield piece;
  }
}

async function writeIndex(
  workspace: Workspace,
  { folder, index }: Weights,
  total: number,
  tables: readonly NewTable[],
): Promise<void> {
  const bytes = await folder.read(indexName, limits.configBytes);
  if (!bytes || !index) return;
  const { metadata } = index;
  const before = isRecord(metadata) ? metadata['total_parameters'] : undefined;
  const more = tables.reduce((sum, { table, plan }) => sum + (plan.from.length - table.rows) * table.columns, 0);
  const parameters = typeof before === 'number' ? { total_parameters: before + more } : {};
  const patch = { metadata: { total_size: total, ...parameters } };
  await workspace.write(indexName, await inTurns(editJson(bytes, patch, folder.fail, indexName), folder.signal));
}
