import { type Bytes, fallbackByte, fromByteLevel, utf8 } from './bytes.ts';
import type { Tokenizer } from './tokenizer.ts';

/**
 * The kind of thing that a token is: text, the single byte of a byte fallback, text that continues or that ends a word,
 * a special token. Tokens of two vocabularies are the same when kind and bytes are.
 */
export type KeyKind = 'text' | 'byte' | 'continuation' | 'end' | 'special';

export interface Key {
  readonly kind: KeyKind;
  readonly bytes: Bytes;
}

const metaspaces = /\u2581/g;

/** The canonical key of the token with this id. */
export function keyOf(tokenizer: Tokenizer, id: number): Key | undefined {
  const token = tokenizer.tokens[id];
  if (token === undefined) return undefined;
  if (tokenizer.special.has(id)) return { kind: 'special', bytes: utf8(token) };
  if (tokenizer.literal.has(id)) return { kind: 'text', bytes: utf8(token) };
  if (tokenizer.byteFallback) {
    const byte = fallbackByte(token);
    if (byte !== undefined) return { kind: 'byte', bytes: byte };
  }
  const { continuingPrefix, wordEnd } = tokenizer;
  if (continuingPrefix !== '' && token.length > continuingPrefix.length && token.startsWith(continuingPrefix)) {
    return { kind: 'continuation', bytes: spelled(tokenizer, token.slice(continuingPrefix.length)) };
  }
  if (wordEnd !== '' && token.length > wordEnd.length && token.endsWith(wordEnd)) {
    return { kind: 'end', bytes: spelled(tokenizer, token.slice(0, -wordEnd.length)) };
  }
  return { kind: 'text', bytes: spelled(tokenizer, token) };
}

function spelled({ spelling }: Tokenizer, token: string): Bytes {
  if (spelling === 'byte-level') return fromByteLevel(token);
  return utf8(spelling === 'metaspace' ? token.replaceAll(metaspaces, ' ') : token);
}
