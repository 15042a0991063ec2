/**
 * Linear systems and constrained problems: solvers that learn, and operators to try them on.
 *
 * @packageDocumentation
 */
export type { LinearOperator } from '../core/operator.ts';
export type { TaskOptions } from '../core/task.ts';
export type { SolverStatus } from '../solvers/status.ts';
export { type CdmOptions, type CdmProgress, type CdmResult, cdmSolve, type Predictor } from './conjugate-directions.ts';
export { type CdmLossOptions, cdmLoss } from './direction-loss.ts';
export {
  type AdaSketchOptions,
  type AdaSketchProgress,
  type AdaSketchResult,
  adaSketchNewton,
} from './lagrangian/ada-sketch-newton.ts';
export type { EqualityProblem } from './lagrangian/problem.ts';
export type { Sketch } from './lagrangian/sketch.ts';
export { type PoissonOptions, poissonOperator } from './poisson.ts';
export type { ProximalInverse, ProximalInvertOptions, ProximalPrior } from './proximal/invert.ts';
export {
  LearnedProximal,
  type LearnedProximalOptions,
  type ProximalTrainOptions,
} from './proximal/learned-proximal.ts';
export type { MatchingLoss } from './proximal/matching.ts';
export {
  type PnpAdmmOptions,
  type PnpAdmmProblem,
  type PnpAdmmProgress,
  type PnpAdmmResult,
  pnpAdmm,
} from './proximal/pnp-admm.ts';
export { type RitzDatasetOptions, ritzDataset } from './ritz-dataset.ts';
