import { whole, word } from '../../core/schema.ts';
import type { Part } from '../base/part.ts';
import { passed } from './passed.ts';

/** The columns of a basis: cosines (`dct2`), or the transpose of these (`dct3`); see {@link TrionOptions.basis}. */
export type CosineBasis = 'dct2' | 'dct3';

interface Ranked {
  readonly rank: number;
}
interface Based {
  readonly basis: CosineBasis;
}

/** The rank of an update by few vectors of a basis. */
export const rank: Part<Ranked, never, Ranked> = passed({ rank: whole(128, 1, 2 ** 31 - 1) });

/** The cosine basis that the vectors are of. */
export const cosineBasis: Part<Based, never, Based> = passed({ basis: word<CosineBasis>(['dct2', 'dct3'], 'dct2') });
