export type { TaskOptions } from '../core/task.ts';
export { type BarycenterOptions, type BarycenterProgress, type BarycenterResult, barycenter } from './barycenter.ts';
export { TransportBatch, type TransportBatchVariable } from './batch/result.ts';
export { type TransportBatchOptions, type TransportBatchProgress, transportBatch } from './batch.ts';
export {
  Divergence,
  type DivergenceCosts,
  type DivergenceOptions,
  type DivergenceVariable,
  sinkhornDivergence,
} from './divergence.ts';
export type {
  AnnealOptions,
  Gauge,
  Masses,
  PaperOptions,
  Potentials,
  SinkhornOptions,
  TransportIterations,
  TransportMethod,
  TransportProgress,
  TransportStatus,
  UnbalancedOptions,
} from './options.ts';
export type { Metric, PointClouds } from './problem/points.ts';
export type { PlanFactors, TransportCotangents } from './pullback/cotangents.ts';
export type { PullbackOptions, TransportGradients } from './pullback/pullback.ts';
export type { TransportVariable } from './pullback/variables.ts';
export {
  type ApplyOptions,
  type PlanOptions,
  type SparsePlan,
  TransportResult,
} from './result.ts';
export { sinkhorn } from './sinkhorn.ts';
