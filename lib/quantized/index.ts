/**
 * Matrices of few bits: layers that multiply packed codes as they are, and training of them by forward passes alone.
 *
 * @packageDocumentation
 */

export type { TaskOptions } from '../core/task.ts';
export type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
export type { TransferOptions } from '../files/transfer.ts';
export { CodebookLinear, type CodebookLinearOptions } from './codebook/codebook-linear.ts';
export type { CodebookParts, CodebookProgress } from './codebook/parts.ts';
export type { RefineOptions, RefineProgress, RefineResult } from './codebook/refined.ts';
export { compressModel } from './compress-model.ts';
export type { CompressMethod, CompressOptions, CompressProgress } from './folders/options.ts';
export type { CompressedTensorReport, CompressReport, KeptTensor, OutputError } from './folders/report.ts';
export type { LossResult, LossValue } from './forward-only/loss.ts';
export { type PartialUniformTimestepsOptions, partialUniformTimesteps } from './forward-only/timesteps.ts';
export { type LoadCompressedOptions, loadCompressed } from './load-compressed.ts';
export {
  type QuantActivations,
  type QuantApplyOptions,
  type QuantBits,
  type QuantizeOptions,
  QuantLinear,
  type QuantLinearParts,
} from './quant-linear.ts';
export { QZO, type QZOLoss, type QZOOptions, type QZOStep } from './qzo.ts';
export { ZoodipOptimizer, type ZoodipOptions, type ZoodipStep } from './zoodip-optimizer.ts';
