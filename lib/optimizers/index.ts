export { AdaGrad, type AdaGradOptions } from './adagrad.ts';
export { AdaGradNorm, type AdaGradNormOptions } from './adagrad-norm.ts';
export { AdamW, type AdamWOptions } from './adamw.ts';
export { AuON, type AuONOptions, type AuONVariant } from './auon.ts';
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
export type { NonFinite } from './guard.ts';
export { HybridAuON, type HybridAuONOptions } from './hybrid-auon.ts';
export { Lion, type LionOptions } from './lion.ts';
export type { MatrixOptions, OrthogonalOptions } from './matrix-optimizer.ts';
export { Muon, type MuonOptions, type ShapeScale } from './muon.ts';
export {
  type Group,
  type GroupOptions,
  Optimizer,
  type OptimizerOptions,
  type Params,
} from './optimizer.ts';
export type { CommonOptions, Given, WeightDecayMode } from './options.ts';
export { type OrthogonalizeOptions, orthogonalize } from './orthogonalize.ts';
export type { Report } from './report.ts';
export { type MomentumForm, SGD, type SGDOptions } from './sgd.ts';
