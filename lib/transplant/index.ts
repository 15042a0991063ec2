export { type MatchCounts, type MatchOptions, matchVocabularies, type VocabularyMatch } from './match.ts';
export { type MatchKind, matchKinds } from './match-kinds.ts';
export type { MethodName } from './methods/method.ts';
export type { TableNames } from './names.ts';
export type { MatchScope, TransplantOptions, TransplantProgress } from './options.ts';
export type { Quantiles, TableReport, TransplantReport } from './report.ts';
export { transplant } from './transplant.ts';
