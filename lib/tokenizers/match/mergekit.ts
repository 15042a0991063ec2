// The rules of mergekit-tokensurgeon at commit a6e4028, for comparison: strings, a mark for the beginning of words, one
// key a role. No byte-level decoding, so newlines and everything beyond ASCII never match across spellings.

import type { Steps } from '../../core/turns.ts';
import { fallbackByte } from '../bytes.ts';
import { roles, type Tokenizer } from '../tokenizer.ts';
import { Found, longestPrefix } from './found.ts';

const pauseIds = 1 << 9;
const byteLevelSpace = '\u0120';
const metaspace = '\u2581';
const byteLevelClasses = /^(GPT2|OpenAIGPT|Qwen2)Tokenizer(Fast)?$/;
const metaspaceClasses = /^(Llama|T5|Gemma)Tokenizer(Fast)?$/;

/** The character that a vocabulary puts before words. */
function wordStart({ className = '', tokens }: Tokenizer, warnings: string[], side: string): string {
  if (byteLevelClasses.test(className)) return byteLevelSpace;
  if (metaspaceClasses.test(className)) return tokens.includes(`${byteLevelSpace}hello`) ? byteLevelSpace : metaspace;
  warnings.push(`the tokenizer class of the ${side} is not known, words are taken to begin with ${byteLevelSpace}`);
  return byteLevelSpace;
}

function* keysOf(tokenizer: Tokenizer, warnings: string[], side: string): Steps<string[]> {
  const start = wordStart(tokenizer, warnings, side);
  const roleOf = new Map<number, string>();
  for (const role of roles) {
    const id = tokenizer.roles.get(role);
    if (id !== undefined && !roleOf.has(id)) roleOf.set(id, role);
  }
  for (const id of tokenizer.additional) if (!roleOf.has(id)) roleOf.set(id, 'additional_special_tokens');
  const keys: string[] = [];
  for (const [id, token = ''] of tokenizer.tokens.entries()) {
    if (id % pauseIds === 0) yield;
    const role = roleOf.get(id);
    if (token.startsWith(start)) keys.push(`word:${token.slice(start.length)}`);
    else keys.push(role === undefined ? `text:${token}` : `special:${role}`);
  }
  return keys;
}

/** Ids by key, where the last token with a key wins. */
function* idsOf(tokenizer: Tokenizer, keys: readonly string[]): Steps<Map<string, number>> {
  const ids = new Map<string, number>();
  for (const [id, key] of keys.entries()) {
    if (id % pauseIds === 0) yield;
    if (tokenizer.tokens[id] !== undefined) ids.set(key, id);
  }
  return ids;
}

export function* matchMergekit(base: Tokenizer, donor: Tokenizer, byte: boolean, prefix: boolean): Steps<Found> {
  const found = new Found(donor);
  const baseKeys = yield* keysOf(base, found.warnings, 'base');
  const baseIds = yield* idsOf(base, baseKeys);
  found.duplicatesInBase = base.tokens.filter((token) => token !== undefined).length - baseIds.size;
  const donorKeys = yield* keysOf(donor, found.warnings, 'donor');
  const donorIds = yield* idsOf(donor, donorKeys);
  for (const [id, key] of donorKeys.entries()) {
    if (id % pauseIds === 0) yield;
    const token = donor.tokens[id];
    if (token === undefined) continue;
    if (donorIds.get(key) !== id) {
      found.set(id, 'collapsed');
      found.duplicatesInDonor += 1;
      continue;
    }
    const same = baseIds.get(key);
    if (same !== undefined) {
      found.set(id, key.startsWith('special:') ? 'role' : 'exact', same);
      continue;
    }
    const sameByte = byte ? byteMatch(token, baseIds) : undefined;
    if (sameByte !== undefined) {
      found.set(id, 'byte', sameByte);
      continue;
    }
    if (!prefix || key.startsWith('special:')) continue;
    const mark = key.slice(0, 5);
    const shorter = longestPrefix(key.slice(5), (part) => baseIds.get(mark + part));
    if (shorter !== undefined) found.set(id, 'prefix', shorter);
  }
  if (found.duplicatesInDonor > 0) {
    found.warnings.push(
      `${found.duplicatesInDonor} tokens of the donor share the key of another one; mergekit leaves their rows at zero`,
    );
  }
  return found;
}

function byteMatch(token: string, baseIds: ReadonlyMap<string, number>): number | undefined {
  if (token.length === 1 && token.charCodeAt(0) < 256) {
    const digits = token.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
    return baseIds.get(`text:<0x${digits}>`);
  }
  const character = fallbackByte(token);
  return character === undefined ? undefined : baseIds.get(`text:${character}`);
}
