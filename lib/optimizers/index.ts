export type { Given } from '../core/schema.ts';
export { AdaGrad, type AdaGradOptions } from './adagrad.ts';
export { AdaGradNorm, type AdaGradNormOptions } from './adagrad-norm.ts';
export { AdamW, type AdamWOptions } from './adamw.ts';
export type { AnyOptimizer } from './any-optimizer.ts';
export { AuON, type AuONOptions } from './auon.ts';
export type { AuONVariant } from './braked-optimizer.ts';
export type { LoadResult, SaveOptions } from './checkpoint.ts';
export {
  type CoefficientName,
  type CoefficientSet,
  type Coefficients,
  coefficientSets,
  type Triple,
} from './coefficients.ts';
export {
  type CombinedOptimizer,
  type CombinedReport,
  type CombineOptions,
  type CombinePart,
  combine,
} from './combine.ts';
export type { CommonOptions, WeightDecayMode } from './common-options.ts';
export type { NonFinite } from './guard.ts';
export { HybridAuON, type HybridAuONOptions } from './hybrid-auon.ts';
export { Lion, type LionOptions } from './lion.ts';
export type { MatrixOptions } from './matrix-optimizer.ts';
export { Muon, type MuonOptions, type ShapeScale } from './muon.ts';
export { Optimizer, type OptimizerOptions } from './optimizer.ts';
export type { NsDtype, OrthogonalOptions } from './orthogonal-optimizer.ts';
export { type OrthogonalizeOptions, orthogonalize } from './orthogonalize.ts';
export type { Group, GroupOptions, Params } from './params.ts';
export type { Report } from './report.ts';
export { type MomentumForm, SGD, type SGDOptions } from './sgd.ts';
