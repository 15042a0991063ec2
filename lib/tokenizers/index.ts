import '../core/libraries.ts';

export { type MatchKind, matchKinds } from './match/kinds.ts';
export { type MatchCounts, type MatchOptions, matchVocabularies, type VocabularyMatch } from './match/match.ts';
export { type ReadTokenizerOptions, readTokenizer } from './read.ts';
export type { Tokenizer, TokenizerModel, TokenRole, TokenSpelling } from './tokenizer.ts';
