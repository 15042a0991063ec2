import type { Tokenizer } from '../tokenizer.ts';
import { type MatchKind, matchKinds } from './kinds.ts';

/** Result of a rule of matching; {@link MatchKind}s by id of the donor, filled one by one. */
export class Found {
  readonly baseIds: Int32Array;
  readonly kinds: Uint8Array;
  readonly warnings: string[] = [];
  duplicatesInBase = 0;
  duplicatesInDonor = 0;

  constructor(donor: Tokenizer) {
    const size = donor.tokens.length;
    this.baseIds = new Int32Array(size).fill(-1);
    this.kinds = new Uint8Array(size);
    for (let id = 0; id < size; ++id) if (donor.tokens[id] === undefined) this.set(id, 'absent');
  }

  set(id: number, kind: MatchKind, baseId = -1): void {
    this.kinds[id] = matchKinds.indexOf(kind);
    this.baseIds[id] = baseId;
  }
}

/** The longest strictly shorter prefix of `text` that has a counterpart and is more than white space. */
export function longestPrefix(text: string, find: (prefix: string) => number | undefined): number | undefined {
  for (let end = text.length - 1; end > 0; end -= 1) {
    const prefix = text.slice(0, end);
    if (prefix.trim() === '') return undefined;
    const found = find(prefix);
    if (found !== undefined) return found;
  }
  return undefined;
}
