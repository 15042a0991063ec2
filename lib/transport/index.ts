export type {
  AnnealOptions,
  Masses,
  Potentials,
  SinkhornOptions,
  TransportIterations,
  TransportMethod,
  TransportProgress,
  UnbalancedOptions,
} from './options.ts';
export type { Metric, PointClouds } from './points.ts';
export {
  type ApplyOptions,
  type PlanOptions,
  type SparsePlan,
  TransportResult,
  type TransportStatus,
  type TransportVariable,
} from './result.ts';
export { sinkhorn } from './sinkhorn.ts';
