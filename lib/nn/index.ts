/**
 * Networks: functions over the tensors of any object, and their derivatives. A model is an object with tensors in its
 * fields; a call such as {@link valueAndGrad} runs a function of it and walks back.
 *
 * @packageDocumentation
 */

export type { SampleProducts } from '../core/sample-products.ts';
export type { Call, CallOptions, ValueAndProduct } from './calls/call.ts';
export { detach } from './calls/detach.ts';
export { forward } from './calls/forward.ts';
export { gaussNewton } from './calls/gauss-newton.ts';
export { hvp } from './calls/hvp.ts';
export { jvp, type ValueAndTangent } from './calls/jvp.ts';
export { recompute } from './calls/recompute.ts';
export { scope } from './calls/scope.ts';
export {
  type Gradient,
  type GradientOptions,
  type ValueAndGrads,
  type ValueGradsAndProducts,
  valueAndGrad,
} from './calls/value-and-grad.ts';
export { add, subtract } from './functions/add.ts';
export { addRows } from './functions/add-rows.ts';
export { type Attention, type AttentionOptions, attention } from './functions/attention.ts';
export { type BatchNorm, type BatchNormOptions, batchNorm } from './functions/batch-norm.ts';
export { binaryCrossEntropy } from './functions/binary-cross-entropy.ts';
export { cast } from './functions/cast.ts';
export { concat, slice } from './functions/concat.ts';
export { type Conv2d, type Conv2dOptions, conv2d } from './functions/conv2d.ts';
export { type CrossEntropyOptions, crossEntropy } from './functions/cross-entropy.ts';
export { type DropoutOptions, dropout } from './functions/dropout.ts';
export { embedding, type Table } from './functions/embedding.ts';
export { type GeluOptions, gelu } from './functions/gelu.ts';
export { type LayerNormOptions, layerNorm, type Norm } from './functions/layer-norm.ts';
export { type Adapter, type Linear, type LinearOptions, linear } from './functions/linear.ts';
export { type MapWord, map, relu } from './functions/map.ts';
export { type MatmulOptions, matmul } from './functions/matmul.ts';
export { multiply } from './functions/multiply.ts';
export { type Pool2dOptions, pool2d } from './functions/pool2d.ts';
export { reshape } from './functions/reshape.ts';
export { type RmsNormOptions, rmsNorm } from './functions/rms-norm.ts';
export { type RopeOptions, rope } from './functions/rope.ts';
export { type SampleOptions, sample } from './functions/sample.ts';
export { softmax } from './functions/softmax.ts';
export { squaredError } from './functions/squared-error.ts';
export { mean, sum } from './functions/sum.ts';
export { weighted } from './functions/weighted.ts';
export { init } from './init/init.ts';
export type { InitConv2dOptions, InitLinearOptions, InitLoraOptions, InitOptions } from './init/options.ts';
export type { Init, NewAdapter, NewBatchNorm, NewFactors, NewLayer } from './init/parameters.ts';
export { type AssignOptions, assign } from './model/assign.ts';
export type { AssignMap, AssignPlace, AssignTurn } from './model/assign-targets.ts';
export { describe } from './model/describe.ts';
export { join, mapTensors } from './model/map-tensors.ts';
export { buffer, named, parameters, select } from './model/parameters.ts';
export { type Applied, replaceLayers } from './model/replace-layers.ts';
export { type ConvOrthLoss, type ConvOrthLossOptions, convOrthLoss } from './orthogonal/conv-orth-loss.ts';
export { ConvOrthRegularizer } from './orthogonal/conv-orth-regularizer.ts';
export {
  type ConvSingularValuesOptions,
  type ConvSingularValuesProgress,
  convSingularValues,
} from './orthogonal/conv-singular-values.ts';
export type { ConvOrthMode } from './orthogonal/kernel.ts';
export type { ConvOrthLayer, ConvOrthRegularizerOptions } from './orthogonal/layers.ts';
export type { RingOptions } from './ring/options.ts';
export { Ring } from './ring/ring.ts';
export { Arena } from './tape/arena.ts';
export { defineFunction } from './tape/define.ts';
export type { Frame } from './tape/frame.ts';
export type { Rule, Way } from './tape/rule.ts';
export type { WriteProducts } from './tape/sample-sums.ts';
export type { Arg, PerParameter, Plain, Traced, Value } from './tape/value.ts';
export { type Batch, type BatchesOptions, type BatchPlace, batches } from './training/batches.ts';
export { type BilevelOptions, bilevel } from './training/bilevel.ts';
export { type CosineOptions, cosine } from './training/cosine.ts';
export { type OracleOptions, oracle } from './training/oracle.ts';
