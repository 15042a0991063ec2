// Parts that other families use, besides the public list.
export { encoderOf, subwordsOf } from './encode/encode.ts';
export { keyOf } from './keys.ts';
export { limits } from './limits.ts';
export { matchSteps } from './match/match.ts';
export { readTokenizerOf } from './read.ts';
export { isTokenizer, roles } from './tokenizer.ts';
