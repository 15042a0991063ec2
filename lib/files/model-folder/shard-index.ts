import type { Steps } from '../../core/turns.ts';
import { type Json, JsonReader, keyBytes, mostValues } from '../json/reader.ts';
import type { Fail } from '../json/scanner.ts';
import { quote } from '../quote.ts';
import { limits as headerLimits } from '../safetensors/header.ts';
import { limits } from './limits.ts';

/** The file in which a model of several files says which tensor is where. */
export const indexName = 'model.safetensors.index.json';
const shardName = /^[A-Za-z0-9_-][A-Za-z0-9._-]*\.safetensors$/;

/** Contents of the index of a model in several files: the file of each tensor, and metadata. */
export interface ShardIndex {
  readonly shardOf: Map<string, string>;
  readonly metadata: Json;
}

export function* readIndex(bytes: Uint8Array, fail: Fail): Steps<ShardIndex> {
  const json = new JsonReader(bytes, fail, indexName);
  if (json.kind() !== 'object') fail(`${indexName} must be an object, got another value`);
  let shardOf: Map<string, string> | undefined;
  let metadata: Json = null;
  for (const key of json.keys(keyBytes)) {
    if (key === 'weight_map') {
      if (shardOf) fail(`${indexName} must have one weight_map, got two`);
      shardOf = yield* readMap(json, fail);
    } else if (key === 'metadata') metadata = yield* json.value(limits.textBytes);
    else yield* json.skip();
    yield* json.pause();
  }
  json.end();
  if (!shardOf) fail(`${indexName} must have an object weight_map, got none`);
  return { shardOf, metadata };
}

function* readMap(json: JsonReader, fail: Fail): Steps<Map<string, string>> {
  if (json.kind() !== 'object') fail(`${indexName} must have an object weight_map, got another value`);
  const shardOf = new Map<string, string>();
  for (const tensor of json.keys(headerLimits.nameBytes)) {
    const shard = json.kind() === 'string' ? json.text(headerLimits.nameBytes) : fail(notNamed('another value'));
    if (!shardName.test(shard)) fail(notNamed(quote(shard)));
    if (shardOf.has(tensor)) fail(`${indexName} must have each tensor once, got ${quote(tensor)} twice`);
    if (shardOf.size === mostValues) fail(`${indexName} must name at most ${mostValues} tensors, got more`);
    shardOf.set(tensor, shard);
    yield* json.pause();
  }
  if (shardOf.size === 0) fail(`${indexName} must name tensors, got none`);
  return shardOf;
}

const notNamed = (got: string): string =>
  `${indexName} must name files of its folder that end in .safetensors, got ${got}`;
