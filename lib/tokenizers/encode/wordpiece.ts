import { type Bytes, textOf } from '../bytes.ts';
import type { Tokenizer } from '../tokenizer.ts';
import type { Encode } from './encoder.ts';

/** Longest match first, word by word; a word with a part that no token holds is left out. */
export function wordPieceEncoder({ continuingPrefix }: Tokenizer, ids: ReadonlyMap<string, number>): Encode {
  const wordOf = (word: string, isInside: boolean): number[] => {
    const subwords: number[] = [];
    for (let start = 0; start < word.length; ) {
      const mark = start > 0 || isInside ? continuingPrefix : '';
      let end = word.length;
      while (end > start && !ids.has(mark + word.slice(start, end))) end -= 1;
      if (end === start) return [];
      subwords.push(ids.get(mark + word.slice(start, end))!);
      start = end;
    }
    return subwords;
  };
  return (bytes: Bytes, isInside: boolean) => {
    const words = (textOf(bytes) ?? '').split(/\s+/u);
    return words.flatMap((word, i) => {
      const isRest = isInside && i === 0;
      const subwords = wordOf(word, isRest);
      // Many of these vocabularies know small letters only.
      return subwords.length > 0 ? subwords : wordOf(word.toLowerCase(), isRest);
    });
  };
}
