/**
 * Data for training and generation: databases of rows that are searched exactly, and what conditions a generator on
 * the rows that were found.
 *
 * @packageDocumentation
 */
export type { TaskOptions } from '../core/task.ts';
export type { Progress, TransferOptions } from '../files/transfer.ts';
export { type BnStatisticsLossOptions, bnStatisticsLoss } from './distillation/bn-statistics-loss.ts';
export { type CurriculumMode, type CurriculumScaleOptions, curriculumScale } from './distillation/curriculum-scale.ts';
export {
  type CurriculumStep,
  CurriculumSynthesizer,
  type CurriculumSynthesizerOptions,
  type SynthesisTeacher,
  type SynthesizedImagesOptions,
} from './distillation/curriculum-synthesizer.ts';
export { type LaplacianKModesOptions, laplacianKModes } from './few-shot/laplacian-k-modes.ts';
export type { ClusterOptions, ClusterProgress, ClusterResult } from './few-shot/options.ts';
export { type TransductiveClusterOptions, transductiveCluster } from './few-shot/transductive-cluster.ts';
export {
  type ConditionerState,
  type ContextOptions,
  RetrievalConditioner,
  type RetrievalConditionerOptions,
  type RetrievalContext,
} from './retrieval/retrieval-conditioner.ts';
export {
  type OpenDatabaseOptions,
  RetrievalDatabase,
  type RetrievalDatabaseOptions,
  type SearchResult,
} from './retrieval/retrieval-database.ts';
export {
  TopMemory,
  type TopMemoryOptions,
  type TopMemoryState,
  type TopSampleOptions,
} from './retrieval/top-memory.ts';
