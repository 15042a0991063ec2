// adapter_config.json of a stranger: ranks and scales of layers.
import { OrthokitError } from '../../core/errors.ts';
import { inTurns, type Steps } from '../../core/turns.ts';
import { type Json, type JsonObject, JsonReader, keyBytes } from '../../files/json/reader.ts';
import type { Fail } from '../../files/json/scanner.ts';
import type { Folder } from '../../files/model-folder/folder.ts';
import { limits } from '../../files/model-folder/limits.ts';
import { quote } from '../../files/quote.ts';
import { configName } from './layout.ts';
import { literal, numberBy, type Placed } from './patterns.ts';

/** Ranks and scales of layers, as a configuration has them. */
export interface Config {
  readonly rslora: boolean;
  /** True where weights are [in, out]: what is added to them is b·a transposed. */
  readonly fanInFanOut: boolean;
  /** True where whole modules are stored beside the factors. */
  readonly savesModules: boolean;
  rankOf(module: string): number;
  alphaOf(module: string): number;
  /** The factor of b·a. */
  scaleOf(module: string): number;
}

/** Names that a pattern may list. */
const mostNames = 65_536;
const pauseNames = 1 << 9;
const patternKeys = ['rank_pattern', 'alpha_pattern'];
/**
 * Settings of adapters that add more to a weight than b·a, or change the weight itself: each must be absent, null or
 * false.
 */
const refused = ['use_dora', 'use_qalora', 'layer_replication', 'trainable_token_indices', 'alora_invocation_tokens'];
const flags = ['use_rslora', 'fan_in_fan_out'] as const;
const wanted = ['peft_type', 'r', 'lora_alpha', 'init_lora_weights', 'modules_to_save', ...flags, ...refused];

/** The contents of a file: patterns keep its order, in which objects do not have whole numbers. */
interface Content {
  readonly json: JsonObject;
  readonly patterns: ReadonlyMap<string, Json | ReadonlyMap<string, Json>>;
}

/**
 * @throws ERR_FORMAT for what is no configuration, or none; ERR_UNSUPPORTED for adapters that are no plain LoRA;
 * ERR_IO;
 * the signal's reason when aborted
 */
export async function readConfig(op: string, folder: Folder): Promise<Config> {
  const bytes = await folder.read(configName, limits.configBytes);
  if (!bytes) return folder.fail(`${configName} must be there, got none`);
  const reader = new JsonReader(bytes, folder.fail, configName);
  return inTurns(configFrom(op, folder, reader), folder.signal);
}

function* contentOf(reader: JsonReader, fail: Fail): Steps<Content> {
  if (reader.kind() !== 'object') fail(`${configName} must be an object, got another value`);
  const json: JsonObject = Object.create(null);
  const patterns = new Map<string, Json | ReadonlyMap<string, Json>>();
  for (const key of reader.keys(keyBytes)) {
    const isPattern = patternKeys.includes(key);
    if (key in json || patterns.has(key)) fail(`${configName} must have each key once, got ${quote(key)} twice`);
    if (isPattern && reader.kind() === 'object') patterns.set(key, yield* namesOf(key, reader, fail));
    else if (isPattern) patterns.set(key, yield* reader.value(limits.textBytes));
    else if (wanted.includes(key)) json[key] = yield* reader.value(limits.textBytes);
    else yield* reader.skip();
    yield* reader.pause();
  }
  reader.end();
  return { json, patterns };
}

function* namesOf(key: string, reader: JsonReader, fail: Fail): Steps<Map<string, Json>> {
  const names = new Map<string, Json>();
  for (const name of reader.keys(keyBytes)) {
    if (names.has(name)) fail(`${configName} must have each key once, got ${quote(name)} twice`);
    if (names.size === mostNames) fail(`${configName} must have at most ${mostNames} names in ${key}, got more`);
    names.set(name, yield* reader.value(limits.textBytes));
    yield* reader.pause();
  }
  return names;
}

function* configFrom(op: string, folder: Folder, reader: JsonReader): Steps<Config> {
  const { json, patterns } = yield* contentOf(reader, folder.fail);
  const bad = (what: string, code: 'ERR_FORMAT' | 'ERR_UNSUPPORTED' = 'ERR_FORMAT'): OrthokitError =>
    new OrthokitError(code, `${op}: ${configName} ${what} in ${folder.path}`);
  const { peft_type: type, init_lora_weights: init = null, modules_to_save: saved = null } = json;
  if (type !== 'LORA') throw bad(`must be of peft_type "LORA", got ${shown(type)}`, 'ERR_UNSUPPORTED');
  for (const key of refused)
    if (json[key] !== undefined && json[key] !== null && json[key] !== false)
      throw bad(`must not have ${key}, got ${shown(json[key])}`, 'ERR_UNSUPPORTED');
  // Others take something of the weight away, or replace it: b·a alone is not what such an adapter adds.
  if (init !== null && typeof init !== 'boolean' && init !== 'gaussian')
    throw bad(`must have true, false or "gaussian" for init_lora_weights, got ${shown(init)}`, 'ERR_UNSUPPORTED');
  const [rslora, fanInFanOut] = flags.map((key) => {
    const { [key]: flag = false } = json;
    if (typeof flag !== 'boolean') throw bad(`must have true or false for ${key}, got ${shown(flag)}`);
    return flag;
  }) as [boolean, boolean];
  if (saved !== null && !Array.isArray(saved)) throw bad(`must have a list for modules_to_save, got ${shown(saved)}`);
  const isRank = (x: Json | undefined): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 1;
  const isAlpha = (x: Json | undefined): x is number => typeof x === 'number' && Number.isFinite(x) && x !== 0;
  function* numbers(
    key: string,
    patternKey: string,
    is: (x: Json | undefined) => x is number,
    words: string,
  ): Steps<(module: string) => number> {
    const { [key]: usual = 8 } = json;
    if (!is(usual)) throw bad(`must have ${words} for ${key}, got ${shown(usual)}`);
    const pattern = patterns.get(patternKey) ?? new Map<string, Json>();
    if (!(pattern instanceof Map)) throw bad(`must have an object for ${patternKey}, got ${shown(pattern as Json)}`);
    const own = new Map<string, Placed>();
    for (const [name, value] of pattern as ReadonlyMap<string, Json>) {
      if (!is(value)) throw bad(`must have ${words} for ${quote(name)} of ${patternKey}, got ${shown(value)}`);
      if (!literal.test(name.replace(/^\^/, '')))
        throw bad(`must name modules in ${patternKey}, got the expression ${quote(name)}`, 'ERR_UNSUPPORTED');
      own.set(name, { place: own.size, number: value });
      if (own.size % pauseNames === 0) yield;
    }
    return numberBy(own, usual);
  }
  const rankOf = yield* numbers('r', 'rank_pattern', isRank, 'a whole number from 1 on');
  const alphaOf = yield* numbers('lora_alpha', 'alpha_pattern', isAlpha, 'a finite number but 0');
  const scaleOf = (module: string): number => alphaOf(module) / (rslora ? Math.sqrt(rankOf(module)) : rankOf(module));
  return { rslora, fanInFanOut, savesModules: saved !== null && saved.length > 0, rankOf, alphaOf, scaleOf };
}

const shown = (value: Json | undefined): string =>
  value === undefined ? 'none' : typeof value === 'string' ? quote(value) : quote(JSON.stringify(value)).slice(1, -1);
