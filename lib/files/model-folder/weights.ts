import { OrthokitError, refusal } from '../../core/errors.ts';
import { inTurns } from '../../core/turns.ts';
import { systemCode } from '../calls.ts';
import { LentHandles } from '../lent-handles.ts';
import { quote } from '../quote.ts';
import { type OpenTensorFile, openTensorFile } from '../safetensors/file.ts';
import type { TensorInfo } from '../safetensors/header.ts';
import type { Folder } from './folder.ts';
import { limits } from './limits.ts';
import { indexName, readIndex, type ShardIndex } from './shard-index.ts';

/** The file of a model in one file. */
export const singleName = 'model.safetensors';

/** Files of weights that are open at once, over all models of a thread; what a process may open is often little. */
const handles = new LentHandles(16);

/**
 * The weights of a model folder: one file, or shards with an index. Files are known until `close`, few of them open.
 */
export class Weights {
  readonly folder: Folder;
  /** Metadata of the index; undefined for a model in one file. */
  readonly index: Pick<ShardIndex, 'metadata'> | undefined;
  /** The file that holds each tensor. */
  readonly shardOf: ReadonlyMap<string, string>;
  readonly #files: Map<string, OpenTensorFile>;

  private constructor(
    folder: Folder,
    index: Pick<ShardIndex, 'metadata'> | undefined,
    shardOf: Map<string, string>,
    files: Map<string, OpenTensorFile>,
  ) {
    this.folder = folder;
    this.index = index;
    this.shardOf = shardOf;
    this.#files = files;
  }

  static async open(folder: Folder): Promise<Weights> {
    try {
      return await Weights.single(folder, singleName);
    } catch (error) {
      if (!(error instanceof OrthokitError && systemCode(error.cause) === 'ENOENT')) throw error;
    }
    const bytes = await folder.read(indexName, limits.configBytes);
    if (!bytes) folder.fail(`weights must be ${singleName} or ${indexName} with its shards, got neither`);
    const { metadata, shardOf } = await inTurns(readIndex(bytes, folder.fail), folder.signal);
    return new Weights(folder, { metadata }, shardOf, new Map());
  }

  /** Those of one file of another name. */
  static async single(folder: Folder, name: string): Promise<Weights> {
    const file = await openShard(folder, name);
    const shardOf = new Map([...file.tensors.keys()].map((tensor) => [tensor, name]));
    return new Weights(folder, undefined, shardOf, new Map([[name, file]]));
  }

  /** The files, in the order of their first tensors. */
  get shards(): string[] {
    return [...new Set(this.shardOf.values())];
  }

  /** A file of the folder, with every tensor that the index promises of it. */
  async shard(name: string): Promise<OpenTensorFile> {
    const { folder } = this;
    const known = this.#files.get(name);
    if (known) return known;
    let file: OpenTensorFile;
    try {
      file = await openShard(folder, name);
    } catch (error) {
      if (error instanceof OrthokitError && systemCode(error.cause) === 'ENOENT')
        folder.fail(`${indexName} must name shards that are there, got ${name}`);
      throw error;
    }
    this.#files.set(name, file);
    for (const [tensor, shard] of this.shardOf) {
      if (shard === name && !file.tensors.has(tensor))
        folder.fail(`${indexName} must say where tensors are, got ${quote(tensor)} in ${name}, which lacks it`);
    }
    for (const tensor of file.tensors.keys()) {
      if (this.shardOf.get(tensor) !== name)
        folder.fail(`${indexName} must list all tensors of its shards, got ${quote(tensor)} in ${name} alone`);
    }
    return file;
  }

  /** A file that has been asked for already. */
  opened(name: string): OpenTensorFile {
    return this.#files.get(name)!;
  }

  async find(name: string): Promise<{ file: OpenTensorFile; info: TensorInfo }> {
    const shard = this.shardOf.get(name);
    const file = shard === undefined ? undefined : await this.shard(shard);
    const info = file?.tensors.get(name);
    if (!file || !info)
      throw refusal(this.folder.op, 'tensor', `be one of the model's`, `${quote(name)}, not in ${this.folder.path}`);
    return { file, info };
  }

  async close(): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    for (const file of files) await file.giveUp();
  }
}

function openShard(folder: Folder, name: string): Promise<OpenTensorFile> {
  const { op, signal } = folder;
  const opening = openTensorFile(folder.file(name), { op, signal, noFollow: !folder.followLinks, handles });
  return folder.guarded(name, opening);
}
