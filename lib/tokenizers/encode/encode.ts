import { utf8 } from '../bytes.ts';
import type { Key } from '../keys.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { bpeEncoder } from './bpe.ts';
import type { Encode } from './encoder.ts';
import { unigramEncoder } from './unigram.ts';
import { wordPieceEncoder } from './wordpiece.ts';

/** Encodes the text of single tokens: no pattern of the tokenizer is run, and no special token is added. */
export function encoderOf(tokenizer: Tokenizer): Encode {
  const ids = new Map<string, number>();
  for (const [id, token] of tokenizer.tokens.entries())
    if (token !== undefined && !tokenizer.special.has(id)) ids.set(token, id);
  if (tokenizer.model === 'bpe') return bpeEncoder(tokenizer, ids);
  if (tokenizer.model === 'unigram') return unigramEncoder(tokenizer, ids);
  return wordPieceEncoder(tokenizer, ids);
}

const wordCharacter = /^[0-9A-Za-z\u0080-\u00ff]/;

/** The subwords of `base` that spell a token of `donor`. */
export function subwordsOf(encode: Encode, base: Tokenizer, donor: Tokenizer, key: Key): number[] {
  const { kind, bytes } = key;
  const marksWords = base.continuingPrefix !== '';
  if (marksWords)
    return encode(bytes, kind === 'continuation' || (donor.continuingPrefix === '' && wordCharacter.test(bytes)));
  // A word of WordPiece begins after a space.
  const beginsWord = donor.continuingPrefix !== '' && kind === 'text' && wordCharacter.test(bytes);
  return encode(beginsWord ? utf8(' ') + bytes : bytes, false);
}
