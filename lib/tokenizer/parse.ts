import { quote } from '../safetensors/dtypes.ts';
import type { Fail } from '../safetensors/scanner.ts';
import { type Json, type JsonObject, JsonReader } from './json.ts';
import { limits } from './limits.ts';
import { type ModelPart, readModel } from './model.ts';
import { roles, type Tokenizer, type TokenRole, type TokenSpelling } from './tokenizer.ts';

const metaspace = '\u2581';

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** What the files beside tokenizer.json say, of those that exist. */
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
): Generator<undefined, Tokenizer> {
  const json = new JsonReader(bytes, fail, 'tokenizer.json');
  if (json.kind() !== 'object') fail('tokenizer.json must be an object, got another value');
  let model: ModelPart | undefined;
  let added: AddedToken[] = [];
  const parts: Record<string, Json> = { normalizer: null, pre_tokenizer: null, decoder: null };
  const seen = new Set<string>();
  for (const key of json.keys(limits.textBytes)) {
    if (seen.has(key)) fail(`tokenizer.json must have each key once, got ${quote(key)} twice`);
    seen.add(key);
    if (key === 'model') model = yield* readModel(json, fail, wantMerges);
    else if (key === 'added_tokens') added = readAdded(json, fail);
    else if (Object.hasOwn(parts, key)) parts[key] = json.value(limits.textBytes);
    else json.skip();
  }
  json.end();
  if (!model) fail('tokenizer.json must have a model, got none');

  const modelSize = model.tokens.length;
  const { literal, special } = addTokens(model, added, fail);
  const members = { ...tokenizerConfig, ...specialTokens };
  const idOf = (value: Json | undefined): number | undefined => model.ids.get(contentOf(value) ?? '');
  const roleOf = new Map<TokenRole, number>();
  for (const role of roles) {
    const id = idOf(members[`${role}_token`] ?? (role === 'unk' ? model.unknown : undefined));
    if (id !== undefined) roleOf.set(role, id);
  }
  const additional = new Set<number>();
  const listed = members['additional_special_tokens'];
  for (const value of Array.isArray(listed) ? listed : []) {
    const id = idOf(value);
    if (id !== undefined) additional.add(id);
  }
  for (const id of [...roleOf.values(), ...additional]) special.add(id);
  const className = tokenizerConfig?.['tokenizer_class'];
  return {
    model: model.model,
    spelling: spellingOf(Object.values(parts)),
    byteFallback: model.byteFallback || hasType(parts['decoder'] ?? null, 'ByteFallback'),
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

function readAdded(json: JsonReader, fail: Fail): AddedToken[] {
  const added: AddedToken[] = [];
  if (json.kind() === 'word') {
    json.skip();
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
      else if (key === 'special') special = json.value(limits.tokenBytes) === true;
      else json.skip();
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
function addTokens(model: ModelPart, added: readonly AddedToken[], fail: Fail) {
  const literal = new Set<number>();
  const special = new Set<number>();
  for (const { id, content, special: isSpecial } of added) {
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

function spellingOf(parts: readonly Json[]): TokenSpelling {
  if (parts.some((part) => hasType(part, 'ByteLevel'))) return 'byte-level';
  const spells = (part: Json): boolean => hasType(part, 'Metaspace') || mentionsMetaspace(part);
  return parts.some(spells) ? 'metaspace' : 'plain';
}

function hasType(part: Json, type: string): boolean {
  if (typeof part !== 'object' || part === null) return false;
  if (Array.isArray(part)) return part.some((item) => hasType(item, type));
  return part['type'] === type || Object.values(part).some((member) => hasType(member, type));
}

/** A replacement of spaces by U+2581 or back. */
function mentionsMetaspace(part: Json): boolean {
  if (typeof part !== 'object' || part === null) return false;
  if (Array.isArray(part)) return part.some(mentionsMetaspace);
  if (part['type'] === 'Replace') {
    const { pattern, content } = part;
    const text =
      typeof pattern === 'object' && pattern !== null && !Array.isArray(pattern) ? pattern['String'] : pattern;
    return (text === metaspace && content === ' ') || (text === ' ' && content === metaspace);
  }
  return Object.values(part).some(mentionsMetaspace);
}
