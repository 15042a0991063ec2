import { OrthokitError, refusal } from '../../core/errors.ts';
import { inTurns } from '../../core/turns.ts';
import { systemCode } from '../calls.ts';
import { quote } from '../quote.ts';
import { type OpenTensorFile, openTensorFile } from '../safetensors/file.ts';
import type { TensorInfo } from '../safetensors/header.ts';
import type { Folder } from './folder.ts';
import { limits } from './limits.ts';
import { indexName, readIndex, type ShardIndex } from './shard-index.ts';

/** The file of a model in one file. */
export const singleName = 'model.safetensors';

/** The weights of a model folder: one file, or shards with an index. Files stay open until `close`, or `mostOpen`. */
export class Weights {
  readonly folder: Folder;
  /** Metadata of the index; undefined for a model in one file. */
  readonly index: Pick<ShardIndex, 'metadata'> | undefined;
  /** Which file holds each tensor. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** The file that was asked for last is the last one. */
  readonly #open: Map<string, OpenTensorFile>;
  readonly #mostOpen: number;

  private constructor(
    folder: Folder,
    index: Pick<ShardIndex, 'metadata'> | undefined,
    shardOf: Map<string, string>,
    open: Map<string, OpenTensorFile>,
    mostOpen: number,
  ) {
    this.folder = folder;
    this.index = index;
    this.shardOf = shardOf;
    this.#open = open;
    this.#mostOpen = mostOpen;
  }

  /** With `mostOpen`, {@link shard} closes the file that was not asked for longest before it opens one more. */
  static async open(folder: Folder, mostOpen: number = Number.POSITIVE_INFINITY): Promise<Weights> {
    const open = new Map<string, OpenTensorFile>();
    try {
      const single = await openShard(folder, singleName);
      open.set(singleName, single);
      const names = [...single.tensors.keys()];
      return new Weights(folder, undefined, new Map(names.map((name) => [name, singleName])), open, mostOpen);
    } catch (error) {
      if (!(error instanceof OrthokitError && systemCode(error.cause) === 'ENOENT')) throw error;
    }
    const bytes = await folder.read(indexName, limits.configBytes);
    if (!bytes) folder.fail(`weights must be ${singleName} or ${indexName} with its shards, got neither`);
    const { metadata, shardOf } = await inTurns(readIndex(bytes, folder.fail), folder.signal);
    return new Weights(folder, { metadata }, shardOf, open, mostOpen);
  }

  /** The files, in the order of their first tensors. */
  get shards(): string[] {
    return [...new Set(this.shardOf.values())];
  }

  /** An open file of the folder, with every tensor that the index promises of it. */
  async shard(name: string): Promise<OpenTensorFile> {
    const { folder } = this;
    const known = this.#open.get(name);
    if (known) {
      this.#open.delete(name);
      this.#open.set(name, known);
      return known;
    }
    if (this.#open.size >= this.#mostOpen) {
      const [oldest, old] = this.#open.entries().next().value!;
      this.#open.delete(oldest);
      await old.giveUp();
    }
    let file: OpenTensorFile;
    try {
      file = await openShard(folder, name);
    } catch (error) {
      if (error instanceof OrthokitError && systemCode(error.cause) === 'ENOENT')
        folder.fail(`${indexName} must name shards that are there, got ${name}`);
      throw error;
    }
    this.#open.set(name, file);
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

  /** A file that is open already. */
  opened(name: string): OpenTensorFile {
    return this.#open.get(name)!;
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
    const files = [...this.#open.values()];
    this.#open.clear();
    for (const file of files) await file.giveUp();
  }
}

function openShard(folder: Folder, name: string): Promise<OpenTensorFile> {
  const { op, signal } = folder;
  const opening = openTensorFile(folder.file(name), { op, signal, noFollow: !folder.followLinks });
  return folder.guarded(name, opening);
}
