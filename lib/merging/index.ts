/**
 * Merging models that were trained from one base: folders by `mergeModels`, tensors by `ContinualMerger`.
 *
 * @packageDocumentation
 */
import '../core/libraries.ts';

export type { TaskOptions } from '../core/task.ts';
export type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
export type { Progress, TransferOptions } from '../files/transfer.ts';
export { type Added, type AddProgress, ContinualMerger, type ContinualMergerOptions } from './continual-merger.ts';
export type { MergedModelReport, MergedTensorReport, MergeReport } from './folders/report.ts';
export { mergeModels } from './merge-models.ts';
export type { MergeMethod } from './methods/names.ts';
export type { MergeOptions, MergeProgress } from './options.ts';
export {
  type ProjectedTaskVector,
  type ProjectTaskVectorOptions,
  projectTaskVector,
} from './project-task-vector.ts';
