// Tensors of a file, or of a folder with several: read as one, written so that none is larger than it may be.

import { refusal } from '../../core/errors.ts';
import { inTurns, type Steps } from '../../core/turns.ts';
import { calls, ioError, systemCode } from '../calls.ts';
import { Folder } from '../model-folder/folder.ts';
import { limits } from '../model-folder/limits.ts';
import { indexName } from '../model-folder/shard-index.ts';
import { singleName, Weights } from '../model-folder/weights.ts';
import { Workspace } from '../model-folder/workspace.ts';
import type { Progress } from '../transfer.ts';
import { byteLengthOf } from './dtypes.ts';
import { type OpenOptions, type TensorFile, withTensorFile } from './file.ts';
import type { TensorInfo } from './header.ts';
import { type TensorSource, type WriteOptions, writeTensorFile } from './write.ts';

/** Tensors of one file or of several. */
export type Tensors = Pick<TensorFile, 'tensors' | 'metadata' | 'read' | 'readSpans'>;

interface FolderOptions extends Pick<OpenOptions, 'op' | 'signal'> {
  readonly followLinks: boolean;
  /** The only tensors that are wanted: of a folder, only their files are opened. */
  readonly names?: readonly string[] | undefined;
}

/** Opens and checks a file, or the files of a folder, few at a time, and closes them whatever happens. */
export async function withTensors<T>(
  path: string,
  { op, signal, followLinks, names }: FolderOptions,
  use: (tensors: Tensors) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  if (!(await isFolder(op, path))) return withTensorFile(path, { op, signal }, use);
  const folder = await Folder.open(op, 'path', path, { followLinks, signal });
  const weights = await Weights.open(folder);
  try {
    const tensors = new Map<string, TensorInfo>();
    const metadata = new Map<string, string>();
    const wanted = names && new Set(names.map((name) => weights.shardOf.get(name)));
    for (const shard of weights.shards) {
      if (wanted && !wanted.has(shard)) continue;
      const file = await weights.shard(shard);
      for (const [name, info] of file.tensors) tensors.set(name, info);
      for (const [name, text] of file.metadata) if (!metadata.has(name)) metadata.set(name, text);
    }
    const read: Tensors['read'] = async (name, onBytes) => (await weights.find(name)).file.read(name, onBytes);
    const readSpans: Tensors['readSpans'] = async (name, take) => (await weights.find(name)).file.readSpans(name, take);
    return await use({ tensors, metadata, read, readSpans });
  } finally {
    await weights.close();
  }
}

async function isFolder(op: string, path: string): Promise<boolean> {
  try {
    return (await calls.stat(path)).isDirectory();
  } catch (error) {
    // Whoever opens it says so.
    if (systemCode(error) === 'ENOENT') return false;
    throw ioError(op, path, 'examined', error);
  }
}

const pauseNames = 1 << 11;

/**
 * Writes a folder of files with at most `shardBytes` bytes of tensors each, but one tensor at least, and an index where
 * there are several. It appears at once and whole: a failed or killed call leaves none; a killed one leaves its work in
 * `<path>.<random>.partial`, which no other call touches.
 */
export async function writeShards(
  path: string,
  sources: readonly TensorSource[],
  shardBytes: number,
  { op, signal, onProgress, metadata }: WriteOptions,
): Promise<void> {
  const groups = await inTurns(groupsOf(sources, shardBytes), signal);
  const total = groups.reduce((sum, { bytes }) => sum + bytes, 0);
  const index = groups.length > 1 ? await inTurns(indexOf(groups, total), signal) : undefined;
  if (index && index.length > limits.configBytes) {
    const must = `make an index of at most ${limits.configBytes} bytes in several files`;
    throw refusal(op, 'tensors', must, index.length);
  }
  const workspace = await Workspace.alone(op, 'path', path);
  try {
    let done = 0;
    for (const { name, members, bytes } of groups) {
      const before = done;
      await writeTensorFile(workspace.file(name), members, {
        op,
        signal,
        metadata,
        onProgress: (progress: Progress) => onProgress?.({ done: before + progress.done, total }),
      });
      done += bytes;
    }
    if (index) await workspace.write(indexName, index);
    signal?.throwIfAborted();
    await workspace.publish();
  } catch (error) {
    await workspace.remove();
    throw error;
  }
}

interface Group {
  name: string;
  readonly members: TensorSource[];
  bytes: number;
}

function* groupsOf(sources: readonly TensorSource[], most: number): Steps<readonly Group[]> {
  const groups: Group[] = [{ name: singleName, members: [], bytes: 0 }];
  for (const [i, source] of sources.entries()) {
    if (i % pauseNames === 0) yield;
    const bytes = byteLengthOf(source.dtype, source.shape) ?? 0;
    let last = groups.at(-1)!;
    if (last.members.length > 0 && last.bytes + bytes > most) {
      last = { name: singleName, members: [], bytes: 0 };
      groups.push(last);
    }
    last.members.push(source);
    last.bytes += bytes;
  }
  const number = (n: number): string => String(n).padStart(5, '0');
  if (groups.length > 1)
    for (const [i, group] of groups.entries()) group.name = `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`; // biome-ignore format: one line
  return groups;
}

function* indexOf(groups: readonly Group[], total: number): Steps<Uint8Array> {
  const entries: string[] = [];
  for (const { name: file, members } of groups)
    for (const { name } of members) {
      entries.push(`    ${JSON.stringify(name)}: ${JSON.stringify(file)}`);
      if (entries.length % pauseNames === 0) yield;
    }
  const text = `{\n  "metadata": { "total_size": ${total} },\n  "weight_map": {\n${entries.join(',\n')}\n  }\n}\n`;
  return Buffer.from(text);
}
