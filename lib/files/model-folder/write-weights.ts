import { isRecord } from '../../core/options.ts';
import { inTurns } from '../../core/turns.ts';
import { spanBytes } from '../contents.ts';
import { editJson } from '../json/edit.ts';
import { byteLengthOf, type FileDtype } from '../safetensors/dtypes.ts';
import type { OpenTensorFile } from '../safetensors/file.ts';
import type { TensorInfo } from '../safetensors/header.ts';
import { type TensorSource, writeTensorFile } from '../safetensors/write.ts';
import { limits } from './limits.ts';
import { indexName } from './shard-index.ts';
import type { Weights } from './weights.ts';
import type { Workspace } from './workspace.ts';

/** A tensor that is written anew in place of that of the same name. */
export interface NewTensor {
  readonly shape: readonly number[];
  /** Default: as it was. */
  readonly dtype?: FileDtype | undefined;
  data(): AsyncIterable<Uint8Array>;
}

export interface WriteWeightsOptions {
  readonly op: string;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (done: number, total: number) => void;
}

const elementsIn = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/**
 * Writes every file of weights that the workspace lacks: some tensors anew, all others byte for byte.
 * `onBytes` hears of all bytes, those of an earlier run included.
 */
export async function writeWeights(
  workspace: Workspace,
  weights: Weights,
  newTensors: ReadonlyMap<string, NewTensor>,
  { op, signal, onBytes }: WriteWeightsOptions,
): Promise<void> {
  const files = new Map<string, OpenTensorFile>();
  for (const shard of weights.shards) files.set(shard, await weights.shard(shard));
  const sizes = new Map<string, number>();
  let moreParameters = 0;
  for (const [shard, file] of files) {
    let size = 0;
    for (const [name, { dtype, shape, byteLength }] of file.tensors) {
      const made = newTensors.get(name);
      size += made ? byteLengthOf(made.dtype ?? dtype, made.shape)! : byteLength;
      if (made) moreParameters += elementsIn(made.shape) - elementsIn(shape);
    }
    sizes.set(shard, size);
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  let done = 0;
  for (const [shard, file] of files) {
    if (!(await workspace.has(shard))) {
      const sources = [...file.tensors].map(([name, info]): TensorSource => {
        const copy = { shape: info.shape, data: () => copied(file, info) };
        const { shape, dtype = info.dtype, data }: NewTensor = newTensors.get(name) ?? copy;
        return { name, dtype, shape, data };
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
    done += sizes.get(shard)!;
    onBytes(done, total);
  }
  if (weights.index) await writeIndex(workspace, weights, total, moreParameters);
}

async function* copied(file: OpenTensorFile, info: TensorInfo): AsyncGenerator<Uint8Array, void> {
  for (let from = 0; from < info.byteLength; from += spanBytes) {
    const span = new Uint8Array(Math.min(spanBytes, info.byteLength - from));
    await file.readRange(info, from, span);
    yield span;
  }
}

async function writeIndex(
  workspace: Workspace,
  { folder, index }: Weights,
  total: number,
  moreParameters: number,
): Promise<void> {
  const bytes = await folder.read(indexName, limits.configBytes);
  if (!bytes || !index) return;
  const { metadata } = index;
  const before = isRecord(metadata) ? metadata['total_parameters'] : undefined;
  const parameters = typeof before === 'number' ? { total_parameters: before + moreParameters } : {};
  const patch = { metadata: { total_size: total, ...parameters } };
  await workspace.write(indexName, await inTurns(editJson(bytes, patch, folder.fail, indexName), folder.signal));
}
