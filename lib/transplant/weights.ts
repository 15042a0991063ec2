import { OrthokitError } from '../errors.ts';
import { systemCode } from '../safetensors/calls.ts';
import { quote } from '../safetensors/dtypes.ts';
import { type OpenTensorFile, openTensorFile } from '../safetensors/file.ts';
import type { TensorInfo } from '../safetensors/header.ts';
import type { Folder } from '../tokenizer/folder.ts';
import type { JsonObject } from '../tokenizer/json.ts';

const singleName = 'model.safetensors';
/** Where a model in several files says which tensor is where. */
export const indexName = 'model.safetensors.index.json';
const shardName = /^[A-Za-z0-9_-][A-Za-z0-9._-]*\.safetensors$/;

/** The weights of a model folder: one file, or shards with an index. Files stay open until `close`. */
export class Weights {
  readonly folder: Folder;
  /** The index as it stands in the folder; undefined for a model in one file. */
  readonly index: JsonObject | undefined;
  /** Which file holds each tensor. */
  readonly shardOf: ReadonlyMap<string, string>;
  readonly #open: Map<string, OpenTensorFile>;
  readonly #signal: AbortSignal | undefined;

  private constructor(
    folder: Folder,
    index: JsonObject | undefined,
    shardOf: Map<string, string>,
    open: Map<string, OpenTensorFile>,
    signal: AbortSignal | undefined,
  ) {
    this.folder = folder;
    this.index = index;
    this.shardOf = shardOf;
    this.#open = open;
    this.#signal = signal;
  }

  static async open(folder: Folder, signal: AbortSignal | undefined): Promise<Weights> {
    const open = new Map<string, OpenTensorFile>();
    try {
      const single = await openShard(folder, singleName, signal);
      open.set(singleName, single);
      const names = [...single.tensors.keys()];
      return new Weights(folder, undefined, new Map(names.map((name) => [name, singleName])), open, signal);
    } catch (error) {
      if (!(error instanceof OrthokitError && systemCode(error.cause) === 'ENOENT')) throw error;
    }
    const index = await folder.readJson(indexName);
    if (!index) folder.fail(`weights must be ${singleName} or ${indexName} with its shards, got neither`);
    return new Weights(folder, index, readMap(folder, index), open, signal);
  }

  /** The files, in the order of their first tensors. */
  get shards(): string[] {
    return [...new Set(this.shardOf.values())];
  }

  /** An open file of the folder, with every tensor that the index promises of it. */
  async shard(name: string): Promise<OpenTensorFile> {
    const { folder } = this;
    const known = this.#open.get(name);
    if (known) return known;
    let file: OpenTensorFile;
    try {
      file = await openShard(folder, name, this.#signal);
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

  async find(name: string): Promise<{ file: OpenTensorFile; info: TensorInfo }> {
    const shard = this.shardOf.get(name);
    const file = shard === undefined ? undefined : await this.shard(shard);
    const info = file?.tensors.get(name);
    if (!file || !info)
      throw new OrthokitError(
        'ERR_ARGUMENT',
        `${this.folder.op}: tensor must be one of the model's, got ${quote(name)}, not in ${this.folder.path}`,
      );
    return { file, info };
  }

  async close(): Promise<void> {
    const files = [...this.#open.values()];
    this.#open.clear();
    for (const file of files) await file.giveUp();
  }
}

function openShard(folder: Folder, name: string, signal: AbortSignal | undefined): Promise<OpenTensorFile> {
  const opening = openTensorFile(folder.file(name), { op: folder.op, signal, noFollow: !folder.followLinks });
  return folder.guarded(name, opening);
}

function readMap(folder: Folder, index: JsonObject): Map<string, string> {
  const map = index['weight_map'];
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    folder.fail(`${indexName} must have an object weight_map, got another value`);
  const shardOf = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || !shardName.test(shard))
      folder.fail(`${indexName} must name files of its folder that end in .safetensors, got ${quote(String(shard))}`);
    shardOf.set(tensor, shard);
  }
  if (shardOf.size === 0) folder.fail(`${indexName} must name tensors, got none`);
  return shardOf;
}
