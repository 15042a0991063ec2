export type {
  AnnealOptions,
  Masses,
  PaperOptions,
  Potentials,
  SinkhornOptions,
  TransportIterations,
  TransportMethod,
  TransportProgress,
} from './options.ts';
export { type PlanOptions, type SparsePlan, TransportResult, type TransportStatus } from './result.ts';
export { sinkhorn } from './sinkhorn.ts';
