/**
 * Curvature of losses: measures and methods over products with a Hessian or a Gauss–Newton matrix.
 *
 * @packageDocumentation
 */

export type { LinearOperator } from '../core/operator.ts';
export type { TaskOptions } from '../core/task.ts';
export type { Oracle } from '../solvers/oracle.ts';
export { type SlqOptions, type SlqResult, slq } from '../solvers/slq.ts';
export type { SolverStatus } from '../solvers/status.ts';
export { type DirectionalSharpnessOptions, directionalSharpness } from './directional-sharpness.ts';
export { type Curvature, type FlatOperator, flat } from './flat.ts';
export { type GnsOptions, type GnsProgress, type GnsResult, gnsMinimize } from './gns/minimize.ts';
export type { GnsCurvature, GnsOracle } from './gns/oracle.ts';
export { type LogSumExpOptions, logSumExp } from './gns/problems/log-sum-exp.ts';
export { type PowerResidualOptions, powerResidual } from './gns/problems/power-residual.ts';
export { type SoftmaxRegressionOptions, softmaxRegression } from './gns/problems/softmax-regression.ts';
export { type MFacDiagonalOptions, MFacStatic, type MFacStaticOptions } from './mfac/fixed.ts';
export { MFac, type MFacOptions, type MFacPushOptions } from './mfac/mfac.ts';
export { MFacOptimizer, type MFacOptimizerOptions, type MFacStepOptions } from './mfac/optimizer.ts';
export { type ObsPruneOptions, obsPrune, type PrunedWeights } from './mfac/prune.ts';
export type { WindowDtype } from './mfac/window.ts';
export { type BatchExtremalOptions, type BatchNoise, batchExtremal, scaleLr } from './rates/batch-size.ts';
export {
  LanczosLrLearner,
  type LanczosLrObserveOptions,
  type LanczosLrOptions,
  type LearnedLr,
} from './rates/learner.ts';
export { type SharpnessProfile, type SharpnessProfileOptions, sharpnessProfile } from './sharpness-profile.ts';
export { type SecondMomentOptions, sgdSecondMomentRadius } from './stability/radius.ts';
export {
  type StabilityOptions,
  type StabilityProgress,
  type StabilityReport,
  type StabilitySource,
  stabilityReport,
} from './stability/report.ts';
export {
  type SurrogateModel,
  type SurrogateSearchOptions,
  type SurrogateStep,
  type SurrogateStepOptions,
  TargetSurrogate,
  type TargetSurrogateOptions,
} from './target-surrogate.ts';
