import type { Steps } from '../core/turns.ts';
import { type Json, type JsonObject, JsonReader } from '../files/json/reader.ts';
import type { Fail } from '../files/json/scanner.ts';
import { limits as folderLimits } from '../files/model-folder/limits.ts';
import { quote } from '../files/quote.ts';
import { limits } from './limits.ts';
import { type ModelPart, readModel } from './model.ts';
import { roles, type Tokenizer, type TokenRole } from './tokenizer.ts';
import { traitsOf } from './traits.ts';

const pauseEntries = 1 << 11;

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

const companionKeys = new Set([
  ...roles.map((role) => `${role}_token`),
  ...['additional_special_tokens', 'tokenizer_class'],
]);

/** True if a file beside tokenizer.json is read for this member. */
export const isCompanionKey = (key: string): boolean => companionKeys.has(key);

/** Contents of the files beside tokenizer.json, of those that exist. */
export interface Companions {
  readonly tokenizerConfig: JsonObject | undefined;
  readonly specialTokens: JsonObject | undefined;
}

/**
 * Reads tokenizer.json, whose bytes it consumes. Patterns in it stay text: nothing from the file is compiled or run. A
 * generator, so that a large file never holds the event loop.
 */
export function* parseTokenizer(
  bytes: Uint8Array,
  { tokenizerConfig, specialTokens }: Companions,
  fail: Fail,
  wantMerges: boolean,
): Steps<Tokenizer> {
  const json = new JsonReader(bytes, fail, 'tokenizer.json');
  if (json.kind() !== 'object') fail('tokenizer.json must be an object, got another value');
  let model: ModelPart | undefined;
  let added: AddedToken[] = [];
  const parts: Record<string, Json> = { normalizer: null, pre_tokenizer: null, decoder: null };
  const seen = new Set<string>();
  for (const key of json.keys(limits.tokenBytes)) {
    if (seen.has(key)) fail(`tokenizer.json must have each key once, got ${quote(key)} twice`);
    seen.add(key);
    if (key === 'model') model = yield* readModel(json, fail, wantMerges);
    else if (key === 'added_tokens') added = yield* readAdded(json, fail);
    else if (Object.hasOwn(parts, key)) parts[key] = yield* json.value(folderLimits.textBytes);
    else yield* json.skip();
    yield* json.pause();
  }
  json.end();
  if (!model) fail('tokenizer.json must have a model, got none');

  const modelSize = model.tokens.length;
  const { literal, special } = yield* addTokens(model, added, fail);
  const most = 2 * model.ids.size + limits.spareIds;
  if (model.tokens.length > most)
    fail(`tokenizer.json must have ids below ${most} for its ${model.ids.size} tokens, got ${model.tokens.length - 1}`);
  const members = { ...tokenizerConfig, ...specialTokens };
  const idOf = (value: Json | undefined): number | undefined => model.ids.get(contentOf(value) ?? '');
  const roleOf = new Map<TokenRole, number>();
  for (const role of roles) {
    const id = idOf(members[`${role}_token`] ?? (role === 'unk' ? model.unknown : undefined));
    if (id !== undefined) roleOf.set(role, id);
  }
  const additional = new Set<number>();
  const listed = members['additional_special_tokens'];
  for (const [i, value] of (Array.isArray(listed) ? listed : []).entries()) {
    const id = idOf(value);
    if (id !== undefined) additional.add(id);
    if (i % pauseEntries === 0) yield;
  }
  for (const id of [...roleOf.values(), ...additional]) special.add(id);
  const ofNormalizer = yield* traitsOf(parts['normalizer'] ?? null);
  const ofPreTokenizer = yield* traitsOf(parts['pre_tokenizer'] ?? null);
  const ofDecoder = yield* traitsOf(parts['decoder'] ?? null);
  const all = [ofNormalizer, ofPreTokenizer, ofDecoder];
  const isByteLevel = all.some((traits) => traits.byteLevel);
  const hasMetaspace = all.some((traits) => traits.metaspace);
  const className = tokenizerConfig?.['tokenizer_class'];
  return {
    model: model.model,
    spelling: isByteLevel ? 'byte-level' : hasMetaspace ? 'metaspace' : 'plain',
    byteFallback: model.byteFallback || ofDecoder.byteFallback,
    continuingPrefix: model.continuingPrefix,
    wordEnd: model.wordEnd,
    tokens: model.tokens,
    modelSize,
    literal,
    special,
    roles: roleOf,
    additional,
    mergeCount: model.mergeCount,
    className: typeof className === 'string' ? className : undefined,
    scores: model.scores,
    merges: model.merges,
  };
}

function* readAdded(json: JsonReader, fail: Fail): Steps<AddedToken[]> {
  const added: AddedToken[] = [];
  if (json.kind() === 'word') {
    if (json.word() !== null) fail('tokenizer.json must have a list of added tokens or null, got another word');
    return added;
  }
  for (const index of json.items()) {
    if (index === limits.ids) fail(`tokenizer.json must have at most ${limits.ids} added tokens, got more`);
    let id: number | undefined;
    let content: string | undefined;
    let special = false;
    for (const key of json.keys(limits.tokenBytes)) {
      if (key === 'id') id = json.integer();
      else if (key === 'content') content = json.text(limits.tokenBytes);
      else if (key === 'special') special = (yield* json.value(limits.tokenBytes)) === true;
      else yield* json.skip();
      yield* json.pause();
    }
    if (id === undefined || content === undefined) {
      fail('tokenizer.json must have id and content in each added token, got one without');
    }
    if (id >= limits.ids) fail(`tokenizer.json must have ids below ${limits.ids}, got ${id} for ${quote(content)}`);
    added.push({ id, content, special });
  }
  return added;
}

/** Puts added tokens into the vocabulary; those that the model lacks are literal text. */
function* addTokens(
  model: ModelPart,
  added: readonly AddedToken[],
  fail: Fail,
): Steps<{ literal: Set<number>; special: Set<number> }> {
  const literal = new Set<number>();
  const special = new Set<number>();
  for (const [i, { id, content, special: isSpecial }] of added.entries()) {
    if (i % pauseEntries === 0) yield;
    const known = model.ids.get(content);
    const holder = model.tokens[id];
    if ((known !== undefined && known !== id) || (holder !== undefined && holder !== content)) {
      fail(
        `tokenizer.json must have each id and token once, got added token ${quote(content)} with id ${id}` +
          ` beside ${quote(holder ?? content)} with id ${known ?? id}`,
      );
    }
    if (known === undefined) {
      model.tokens[id] = content;
      model.ids.set(content, id);
      literal.add(id);
    }
    if (isSpecial) special.add(id);
  }
  return { literal, special };
}

/** The text of a special token: itself, or the `content` of its description. */
function contentOf(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const content = value['content'];
  return typeof content === 'string' ? content : undefined;
}
