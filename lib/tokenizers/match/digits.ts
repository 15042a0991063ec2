import type { Steps } from '../../core/turns.ts';
import { keyOf } from '../keys.ts';
import type { Tokenizer } from '../tokenizer.ts';

const pauseIds = 1 << 9;
const digitsOnly = /^ ?([0-9]+)$/;

/** The most digits that one token holds. */
export function* digitsPerToken(tokenizer: Tokenizer): Steps<number> {
  let most = 0;
  for (let id = 0; id < tokenizer.tokens.length; ++id) {
    if (id % pauseIds === 0) yield;
    const last = tokenizer.tokens[id]?.at(-1) ?? '';
    if (last < '0' || last > '9') continue;
    const [, digits = ''] = digitsOnly.exec(keyOf(tokenizer, id)?.bytes ?? '') ?? [];
    most = Math.max(most, digits.length);
  }
  return most;
}

// The paper names arithmetic across different groupings of digits as where the method fails.
export function* digitWarning(base: Tokenizer, donor: Tokenizer): Steps<string[]> {
  const before = yield* digitsPerToken(base);
  const after = yield* digitsPerToken(donor);
  if (before === after) return [];
  return [
    `numbers are grouped by up to ${before} digits in the base and ${after} in the donor: expect arithmetic to suffer`,
  ];
}
