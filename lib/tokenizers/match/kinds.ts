/**
 * The way in which a token of the donor found its counterpart in the base, or the reason that it has none: the same
 * key, a special token of the same role or content, the same byte, its longest prefix; `collapsed`: another token has
 * its key; `absent`: no token has the id.
 */
export type MatchKind = 'none' | 'exact' | 'role' | 'content' | 'byte' | 'prefix' | 'collapsed' | 'absent';

/** All of {@link MatchKind}; `VocabularyMatch.kinds` holds indices of this list. */
export const matchKinds: readonly MatchKind[] = [
  'none',
  'exact',
  'role',
  'content',
  'byte',
  'prefix',
  'collapsed',
  'absent',
];
