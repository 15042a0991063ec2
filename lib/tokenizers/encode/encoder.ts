import type { Bytes } from '../bytes.ts';

/** Subwords of a vocabulary that spell the bytes; `isInside` a word, for vocabularies that tell. */
export type Encode = (bytes: Bytes, isInside: boolean) => number[];
