/** Limits of the small files of a stranger's model folder. */
export const limits = {
  /** Bytes of a configuration, or of the index of shards. */
  configBytes: 16_777_216,
  /** Bytes of a text in one, such as a pattern or a chat template. */
  textBytes: 4_194_304,
} as const;
