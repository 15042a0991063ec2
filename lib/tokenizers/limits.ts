/** Limits of a tokenizer from a stranger. */
export const limits = {
  /** Bytes of `tokenizer.json`; the largest known has 33 MB. */
  fileBytes: 67_108_864,
  /** Ids are below this; the largest known vocabulary has 901,629 tokens. */
  ids: 1_048_576,
  /** Ids are below twice the number of tokens and this: each costs a row of a table, whether a token has it or not. */
  spareIds: 4096,
  /** Bytes of a token. */
  tokenBytes: 65_536,
  merges: 4_194_304,
} as const;
