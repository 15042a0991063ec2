import { type Bytes, textOf } from '../bytes.ts';
import type { Tokenizer } from '../tokenizer.ts';
import type { Encode } from './encoder.ts';

/** Cost of an unknown character beside the worst subword, as in SentencePiece. */
const unknownPenalty = 10;

/** The subwords of the largest sum of scores (Viterbi); characters that no subword holds are left out. */
export function unigramEncoder({ tokens, spelling, scores }: Tokenizer, ids: ReadonlyMap<string, number>): Encode {
  let longest = 1;
  let worst = 0;
  for (const [id, token] of tokens.entries()) {
    longest = Math.max(longest, token?.length ?? 0);
    const score = scores?.[id] ?? 0;
    if (Number.isFinite(score)) worst = Math.min(worst, score);
  }
  const spelled = (text: string): string => (spelling === 'metaspace' ? text.replaceAll(' ', '\u2581') : text);
  return (bytes: Bytes) => {
    const text = textOf(bytes);
    if (text === undefined) return [];
    const points = Array.from(spelled(text));
    const best = new Float64Array(points.length + 1).fill(Number.NEGATIVE_INFINITY);
    const from = new Int32Array(points.length + 1);
    const subword = new Int32Array(points.length + 1).fill(-1);
    best[0] = 0;
    for (let start = 0; start < points.length; ++start) {
      let token = '';
      for (let end = start + 1; end <= points.length; ++end) {
        token += points[end - 1];
        if (token.length > longest) break;
        const id = ids.get(token);
        const isUnknown = id === undefined || scores?.[id] === undefined;
        if (isUnknown && end > start + 1) continue;
        const score = best[start]! + (isUnknown ? worst - unknownPenalty : (scores?.[id] ?? 0));
        if (score <= best[end]!) continue;
        best[end] = score;
        from[end] = start;
        subword[end] = isUnknown ? -1 : id;
      }
    }
    const subwords: number[] = [];
    for (let end = points.length; end > 0; end = from[end]!) if (subword[end]! >= 0) subwords.push(subword[end]!);
    return subwords.reverse();
  };
}
