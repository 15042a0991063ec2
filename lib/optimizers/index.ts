export type { SampleProducts } from '../core/sample-products.ts';
export type { Given } from '../core/schema.ts';
export type { TaskOptions } from '../core/task.ts';
export type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
export { AdaGrad, type AdaGradOptions } from './adagrad.ts';
export { AdaGradNorm, type AdaGradNormOptions } from './adagrad-norm.ts';
export { AdamW, type AdamWOptions } from './adamw.ts';
export {
  AdaptiveBatch,
  type AdaptiveBatchOptions,
  type AdaptiveBatchState,
  type BatchObservation,
} from './adaptive-batch.ts';
export { AuON, type AuONOptions } from './auon.ts';
export type { AnyOptimizer } from './base/any-optimizer.ts';
export type { Choice, ChoiceOptions } from './base/choice.ts';
export type { CommonOptions, WeightDecayMode } from './base/common-options.ts';
export type { NonFinite } from './base/guard.ts';
export { Optimizer, type OptimizerOptions } from './base/optimizer.ts';
export type { Gradients, Group, GroupOptions, Params, Tensors } from './base/params.ts';
export type { AccumulatedGradients, SampleGradients } from './batch-tests/sums.ts';
export type { BatchStatistics, BatchTest } from './batch-tests/tests.ts';
export { type ClipCoordinatesOptions, clipCoordinates, clipGradNorm } from './clip.ts';
export {
  type CoefficientName,
  type CoefficientSet,
  type Coefficients,
  coefficientSets,
  type OrthogonalMethod,
  type Triple,
} from './coefficients.ts';
export {
  type CombinedOptimizer,
  type CombinedReport,
  type CombineOptions,
  type CombinePart,
  combine,
} from './combine.ts';
export { Conda, type CondaOptions } from './conda.ts';
export { DCTAdamW, type DCTAdamWOptions } from './dct-adamw.ts';
export { DiffGrad, type DiffGradOptions } from './diff-grad.ts';
export { Dion, type DionOptions } from './dion.ts';
export { Dion2, type Dion2Options } from './dion2.ts';
export { EG, type EGOptions } from './eg.ts';
export type { Scaling } from './form.ts';
export { HybridAuON, type HybridAuONOptions } from './hybrid-auon.ts';
export { type LargestLogitsOptions, largestLogits, type QueriesAndKeys } from './largest-logits.ts';
export { Lion, type LionOptions } from './lion.ts';
export { type InitLogNormalOptions, initLogNormal } from './log-normal.ts';
export { type MultiplicativeStepOptions, multiplicativeStep } from './multiplicative-step.ts';
export { Muon, type MuonOptions } from './muon.ts';
export { NorDion2, type NorDion2Options } from './nor-dion2.ts';
export { NorMuon, type NorMuonOptions } from './nor-muon.ts';
export { type OrthogonalizeOptions, orthogonalize } from './orthogonalize.ts';
export type { InitialBasis } from './parts/basis.ts';
export type { AuONVariant } from './parts/brake.ts';
export type { ErrorFeedback } from './parts/cosine-moments.ts';
export type { CosineBasis } from './parts/low-rank.ts';
export type { MatrixLayout, MatrixOptions, Split } from './parts/matrix.ts';
export type { MomentumForm } from './parts/momentum.ts';
export type { NsDtype, NsOptions, OrthogonalOptions } from './parts/orthogonal.ts';
export type { ProjectionSide } from './parts/projection.ts';
export type { NorMuonVariant } from './parts/row-moments.ts';
export type { ShapeScale } from './parts/shape-scale.ts';
export { type PolarExpressOptions, polarExpress } from './polar-express.ts';
export { type QkClipOptions, qkClip } from './qk-clip.ts';
export type { Report } from './report.ts';
export * as schedules from './schedules.ts';
export { SGD, type SGDOptions } from './sgd.ts';
export { Trion, type TrionOptions } from './trion.ts';
