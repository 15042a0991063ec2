import { refusal, shown } from '../../core/errors.ts';
import { flag, optional, type Resolved, readOptions, type Schema, word } from '../../core/schema.ts';
import { atOnce, type Steps } from '../../core/turns.ts';
import { isTokenizer, type Tokenizer } from '../tokenizer.ts';
import { matchBytes } from './bytes.ts';
import { digitWarning } from './digits.ts';
import { type MatchKind, matchKinds } from './kinds.ts';
import { matchMergekit } from './mergekit.ts';

/** Options of {@link matchVocabularies}. */
export interface MatchOptions {
  /**
   * The rule by which two tokens are the same. `bytes`: the bytes of text that they stand for, special tokens by role,
   * then by content. `mergekit`: strings as mergekit-tokensurgeon normalizes them, for comparison. Default: `bytes`.
   */
  match?: 'bytes' | 'mergekit' | undefined;
  /** Lets a token of one byte match the byte token `<0xHH>`. Default: `true` with `bytes`, else `false`. */
  byte?: boolean | undefined;
  /** Gives a token without a counterpart that of its longest prefix. Default: `false`. */
  prefix?: boolean | undefined;
}

/** Tokens of the donor that found their counterparts, counted by how. */
export interface MatchCounts {
  /** Ids of the donor, those without a token included. */
  readonly ids: number;
  /** The same key. */
  readonly exact: number;
  /** Special tokens of the same role. */
  readonly role: number;
  /** Special or added tokens of the same text. */
  readonly content: number;
  /** Tokens of one byte. */
  readonly byte: number;
  /** Tokens that took the counterpart of their longest prefix. */
  readonly prefix: number;
  /** Tokens without a counterpart. */
  readonly none: number;
  /** Special tokens among them. */
  readonly specialUnmatched: number;
  /** Ids that `mergekit` never visits, because a later token has their key. */
  readonly collapsed: number;
  /** Ids that have no token. */
  readonly absent: number;
  /** Tokens of the base whose key another one has. */
  readonly duplicatesInBase: number;
  /** Tokens of the donor whose key another one has. */
  readonly duplicatesInDonor: number;
}

/** The tokens of the base that tokens of the donor are. */
export interface VocabularyMatch {
  /** The id of the base for each id of the donor, or −1. */
  readonly baseIds: Int32Array;
  /** An index of {@link matchKinds} for each id of the donor. */
  readonly kinds: Uint8Array;
  /** Totals. */
  readonly counts: MatchCounts;
  /** Notes for a reader of the result, in words. */
  readonly warnings: readonly string[];
}

const op = 'matchVocabularies';
const schema: Schema<Resolved<MatchOptions, 'byte'>> = {
  match: word(['bytes', 'mergekit'], 'bytes'),
  byte: optional(flag(true)),
  prefix: flag(false),
};

/**
 * Finds for each token of the donor the token of the base that stands for the same thing.
 *
 * Source: arXiv 2506.06607; the rules of `bytes` are ours (guide, "Tokenizer transplantation").
 *
 * @example
 * const match = matchVocabularies(await readTokenizer('base'), await readTokenizer('donor'));
 * console.log(match.counts);
 *
 * @throws ERR_ARGUMENT for what is no tokenizer, and for unknown options
 */
export function matchVocabularies(base: Tokenizer, donor: Tokenizer, options: MatchOptions = {}): VocabularyMatch {
  for (const [name, tokenizer] of Object.entries({ base, donor }))
    if (!isTokenizer(tokenizer)) throw refusal(op, name, 'be a Tokenizer', shown(tokenizer));
  const { match, byte = match === 'bytes', prefix } = readOptions(op, options, schema);
  return atOnce(matchSteps(base, donor, { match, byte, prefix }));
}

/** The work of {@link matchVocabularies}, with room for turns of the event loop. */
export function* matchSteps(
  base: Tokenizer,
  donor: Tokenizer,
  { match, byte, prefix }: { match: 'bytes' | 'mergekit'; byte: boolean; prefix: boolean },
): Steps<VocabularyMatch> {
  const rule = match === 'bytes' ? matchBytes : matchMergekit;
  const found = yield* rule(base, donor, byte, prefix);
  const { baseIds, kinds } = found;
  const count = Object.fromEntries(matchKinds.map((kind) => [kind, 0])) as Record<MatchKind, number>;
  let specialUnmatched = 0;
  for (const [id, index] of kinds.entries()) {
    const kind = matchKinds[index] ?? 'none';
    count[kind] += 1;
    if (kind === 'none' && donor.special.has(id)) specialUnmatched += 1;
  }
  const { duplicatesInBase, duplicatesInDonor } = found;
  return {
    baseIds,
    kinds,
    counts: { ids: kinds.length, ...count, specialUnmatched, duplicatesInBase, duplicatesInDonor },
    warnings: [...found.warnings, ...(yield* digitWarning(base, donor))],
  };
}
