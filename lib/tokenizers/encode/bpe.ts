import { type Bytes, textOf, toByteLevel, toFallback } from '../bytes.ts';
import type { Tokenizer } from '../tokenizer.ts';
import type { Encode } from './encoder.ts';

/** The longest text that is encoded: subwords of one token, whose merging takes the square of its length. */
const maxSymbols = 4096;

/** Merges symbols, the pair of the lowest rank first, as the tokenizer was trained. */
export function bpeEncoder({ tokens, spelling, merges }: Tokenizer, ids: ReadonlyMap<string, number>): Encode {
  const size = tokens.length;
  const rankOf = new Map<number, number>();
  for (let rank = 0; merges && 2 * rank < merges.length; ++rank) {
    const pair = merges[2 * rank]! * size + merges[2 * rank + 1]!;
    if (!rankOf.has(pair)) rankOf.set(pair, rank);
  }
  const merged = (left: number, right: number): number | undefined =>
    ids.get((tokens[left] ?? '') + (tokens[right] ?? ''));
  const split = spelling === 'byte-level' ? byBytes(ids) : byCharacters(ids);
  return (bytes) => {
    const symbols = split(bytes);
    if (symbols.length > maxSymbols) return symbols;
    for (;;) {
      let best = Number.POSITIVE_INFINITY;
      let place = -1;
      for (let i = 0; i + 1 < symbols.length; ++i) {
        const rank = rankOf.get(symbols[i]! * size + symbols[i + 1]!);
        if (rank !== undefined && rank < best) [best, place] = [rank, i];
      }
      const whole = place < 0 ? undefined : merged(symbols[place]!, symbols[place + 1]!);
      if (whole === undefined) return symbols;
      symbols.splice(place, 2, whole);
    }
  };
}

function byBytes(ids: ReadonlyMap<string, number>): (bytes: Bytes) => number[] {
  return (bytes) =>
    Array.from(bytes, (byte) => ids.get(toByteLevel(byte.charCodeAt(0)))).filter((id) => id !== undefined);
}

/** Characters, and the bytes of those that the vocabulary lacks. */
function byCharacters(ids: ReadonlyMap<string, number>): (bytes: Bytes) => number[] {
  const bytesOf = (bytes: Bytes): number[] =>
    Array.from(bytes, (byte) => ids.get(toFallback(byte.charCodeAt(0)))).filter((id) => id !== undefined);
  return (bytes) => {
    const text = textOf(bytes);
    if (text === undefined) return bytesOf(bytes);
    return Array.from(text).flatMap((character) => {
      const id = ids.get(character === ' ' ? '\u2581' : character) ?? ids.get(character);
      return id === undefined ? bytesOf(Buffer.from(character).toString('latin1')) : [id];
    });
  };
}
