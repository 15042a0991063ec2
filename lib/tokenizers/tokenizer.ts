import { isRecord } from '../core/options.ts';

/** The algorithm of a tokenizer. */
export type TokenizerModel = 'bpe' | 'unigram' | 'wordpiece' | 'wordlevel';

/**
 * The way in which tokens spell text. `byte-level`: a printable character a byte, as in GPT-2. `metaspace`: text with
 * U+2581 in place of spaces, as in SentencePiece. `plain`: text.
 */
export type TokenSpelling = 'byte-level' | 'metaspace' | 'plain';

/** Purpose of a special token. */
export type TokenRole = 'bos' | 'eos' | 'unk' | 'sep' | 'pad' | 'cls' | 'mask';

/** All roles, in the order in which one token with several of them looks for its counterpart. */
export const roles: readonly TokenRole[] = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'];

/** A vocabulary as a tokenizer's files describe it. Nothing in it can encode text. */
export interface Tokenizer {
  /** The algorithm. */
  readonly model: TokenizerModel;
  /** The way in which tokens spell text. */
  readonly spelling: TokenSpelling;
  /** True if `<0xHH>` stands for a byte. */
  readonly byteFallback: boolean;
  /** Mark of a token that continues a word, such as `##`; empty if there is none. */
  readonly continuingPrefix: string;
  /** Mark of a token that ends a word, such as `</w>`; empty if there is none. */
  readonly wordEnd: string;
  /** The tokens by id; a hole where no token has the id. */
  readonly tokens: readonly (string | undefined)[];
  /** Ids below this may belong to the model's own vocabulary: one more than the largest of them. */
  readonly modelSize: number;
  /** Ids of tokens that the model's own vocabulary lacks: literal text, whatever the spelling. */
  readonly literal: ReadonlySet<number>;
  /** Ids of special tokens. */
  readonly special: ReadonlySet<number>;
  /** The token of each role. */
  readonly roles: ReadonlyMap<TokenRole, number>;
  /** Ids of further special tokens that the configuration names. */
  readonly additional: ReadonlySet<number>;
  /** Number of merges. */
  readonly mergeCount: number;
  /** The class that the configuration names, such as `LlamaTokenizer`. */
  readonly className: string | undefined;
  /** Log-probabilities by id, of a unigram model. */
  readonly scores: Float64Array | undefined;
  /** Pairs of ids in order of their rank, of a BPE model, where they were asked for. */
  readonly merges: Int32Array | undefined;
}

/** True if a value has the collections of a tokenizer. */
export function isTokenizer(value: unknown): value is Tokenizer {
  if (!isRecord(value) || !Array.isArray(value['tokens']) || !(value['roles'] instanceof Map)) return false;
  return ['literal', 'special', 'additional'].every((name) => value[name] instanceof Set);
}
