export type { TaskOptions } from '../core/task.ts';
export { SparseCode } from './code.ts';
export { Dictionary, type DictionaryOptions } from './dictionary.ts';
export { type OmpOptions, omp } from './omp.ts';
export { type OmpGramOptions, ompGram } from './omp-gram.ts';
export {
  type DictionaryUpdate,
  type EncodeOptions,
  OnlineOrthogonalDictionary,
  type OnlineOrthogonalDictionaryOptions,
} from './online-orthogonal-dictionary.ts';
export type { PursuitOptions, PursuitProgress } from './options.ts';
export { reconstruct } from './reconstruct.ts';
export { toDense } from './to-dense.ts';
