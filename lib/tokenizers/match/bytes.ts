// Two tokens are the same when they are of the same kind and stand for the same bytes, however each vocabulary spells
// them: "Ġthe" of a byte-level vocabulary and "▁the" of a SentencePiece one are both " the".

import type { Steps } from '../../core/turns.ts';
import { utf8 } from '../bytes.ts';
import { type Key, keyOf } from '../keys.ts';
import { roles, type Tokenizer, type TokenRole } from '../tokenizer.ts';
import { Found, longestPrefix } from './found.ts';
import type { MatchKind } from './kinds.ts';

const pauseIds = 1 << 9;
const wordCharacter = /^[0-9A-Za-z\u0080-\u00ff]/;
const spellingOf = ({ kind, bytes }: Key): string => `${kind}:${bytes}`;

/**
 * Spellings that a key may have in the other vocabulary, the best first. Where only one side marks the inside of words,
 * as WordPiece does, its tokens at the beginning of words stand for a space and the word.
 */
function spellings(key: Key, isForeign: boolean): string[] {
  const { kind, bytes } = key;
  if (!isForeign) return [spellingOf(key)];
  if (kind === 'continuation') return [`text:${bytes}`];
  if (kind === 'text' && wordCharacter.test(bytes)) return [`text: ${bytes}`, `text:${bytes}`];
  return [spellingOf(key)];
}

/** The tokens of the base by what they may be called. */
class Index {
  duplicates = 0;
  readonly #ids = new Map<string, number>();
  readonly #byContent = new Map<string, number>();

  static *of(base: Tokenizer, isForeign: boolean): Steps<Index> {
    const index = new Index();
    yield* index.#fill(base, isForeign);
    return index;
  }

  *#fill(base: Tokenizer, isForeign: boolean): Steps<void> {
    const second: [spelling: string, id: number][] = [];
    for (let id = 0; id < base.tokens.length; ++id) {
      if (id % pauseIds === 0) yield;
      const key = keyOf(base, id);
      if (!key) continue;
      const [first = '', ...rest] = spellings(key, isForeign);
      if (this.#ids.has(first)) this.duplicates += 1;
      else this.#ids.set(first, id);
      for (const spelling of rest) second.push([spelling, id]);
      if (base.special.has(id) || base.literal.has(id)) this.#byContent.set(key.bytes, id);
    }
    for (const [i, [spelling, id]] of second.entries()) {
      if (i % pauseIds === 0) yield;
      if (!this.#ids.has(spelling)) this.#ids.set(spelling, id);
    }
  }

  find(spelling: string): number | undefined {
    return this.#ids.get(spelling);
  }

  findContent(bytes: string): number | undefined {
    return this.#byContent.get(bytes);
  }
}

export function* matchBytes(base: Tokenizer, donor: Tokenizer, byte: boolean, prefix: boolean): Steps<Found> {
  const found = new Found(donor);
  const isForeign = (base.continuingPrefix === '') !== (donor.continuingPrefix === '');
  const index = yield* Index.of(base, isForeign && base.continuingPrefix !== '');
  const rolesOf = byId(donor.roles);
  const seen = new Set<string>();
  const find = (id: number, key: Key): [MatchKind, number] | undefined => {
    const { kind, bytes } = key;
    if (kind === 'special') {
      for (const role of rolesOf.get(id) ?? []) {
        const same = base.roles.get(role);
        if (same !== undefined) return ['role', same];
      }
    }
    if (kind === 'special' || donor.literal.has(id)) {
      const same = index.findContent(utf8(donor.tokens[id] ?? ''));
      if (same !== undefined) return ['content', same];
    }
    const own = spellings(key, isForeign && donor.continuingPrefix !== '');
    for (const spelling of own) {
      const same = index.find(spelling);
      if (same !== undefined) return ['exact', same];
    }
    if (byte && bytes.length === 1 && (kind === 'byte' || kind === 'text')) {
      const same = index.find(`${kind === 'byte' ? 'text' : 'byte'}:${bytes}`);
      if (same !== undefined) return ['byte', same];
    }
    if (!prefix || kind === 'byte' || kind === 'special') return undefined;
    const same = longestSpelled(own[0] ?? '', (spelling) => index.find(spelling));
    return same === undefined ? undefined : ['prefix', same];
  };
  for (let id = 0; id < donor.tokens.length; ++id) {
    if (id % pauseIds === 0) yield;
    const key = keyOf(donor, id);
    if (!key) continue;
    const spelling = spellingOf(key);
    if (seen.has(spelling)) found.duplicatesInDonor += 1;
    seen.add(spelling);
    const [how, same] = find(id, key) ?? [];
    if (how) found.set(id, how, same);
  }
  found.duplicatesInBase = index.duplicates;
  return found;
}

/** The longest prefix of a key that has a counterpart; it never ends inside a character, and never ends a word. */
function longestSpelled(spelling: string, find: (spelling: string) => number | undefined): number | undefined {
  const colon = spelling.indexOf(':') + 1;
  const mark = spelling.slice(0, colon).replace('end:', 'text:');
  const text = spelling.slice(colon);
  const isInside = (at: number): boolean => (text.charCodeAt(at) & 0xc0) === 0x80;
  return longestPrefix(text, (part) => (isInside(part.length) ? undefined : find(mark + part)));
}

function byId(byRole: ReadonlyMap<TokenRole, number>): Map<number, TokenRole[]> {
  const rolesOf = new Map<number, TokenRole[]>();
  for (const role of roles) {
    const id = byRole.get(role);
    if (id !== undefined) rolesOf.set(id, [...(rolesOf.get(id) ?? []), role]);
  }
  return rolesOf;
}
