/**
 * Layers for endless streams: each step costs the same, however long the stream is.
 *
 * @packageDocumentation
 */

export type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
export type { TransferOptions } from '../files/transfer.ts';
export type { ContinualAttention } from './attention.ts';
export * as continual from './continual/index.ts';
export type { ContinualLayer } from './layer.ts';
export type {
  ContinualAttentionOptions,
  ContinualLoadOptions,
  ContinualStepOptions,
  Conv1dOptions,
  Pool1dOptions,
} from './options.ts';
export type { ContinualMapWord } from './parts/map.ts';
export type { StreamedLayer } from './streamed.ts';
