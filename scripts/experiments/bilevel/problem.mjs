// Labels that are wrong, as a problem of two levels: a weight for each sample, such that the softmax regression that is trained with
// them does well on a few samples of known labels.
import { ops, Tensor } from 'orthokit';
import { classes } from '../../../examples/digits/data.mjs';

/** @import { Device } from 'orthokit' */
/** @typedef {{ images: Float32Array, labels: ArrayLike<number>, count: number, width: number }} Samples */

/** The penalty of the lower problem, ρ |Y|² / 2; images are scaled to a mean square length of 1, so that L is at most ½ + ρ. */
export const penalty = 1e-3;
export const lipschitz = 0.5 + penalty;

/**
 * Images and labels on a device, and where the regression's probabilities go.
 *
 * @param {Device} device @param {Samples} samples @param {'f32' | 'f64'} dtype
 */
function placed(device, { images, labels, count, width }, dtype) {
  const array = dtype === 'f64' ? Float64Array : Float32Array;
  const hot = new array(count * classes);
  for (let i = 0; i < count; ++i) hot[i * classes + labels[i]] = 1;
  const like = () => Tensor.zeros(device, [count, classes], { dtype });
  const sums = Tensor.zeros(device, [count], { dtype });
  const [x, targets] = [Tensor.from(device, array.from(images), [count, width]), Tensor.from(device, hot, [count, classes])]; // biome-ignore format: one line
  return { count, x, targets, chances: like(), part: like(), sums };
}

/**
 * The oracle of g = Σ σ(xᵢ) lossᵢ(Y) / n + ρ |Y|² / 2 and f = the mean loss on samples that are known to be right.
 *
 * @param {Device} device @param {Samples} noisy @param {Samples} known @param {'f32' | 'f64'} [dtype]
 */
export function cleaning(device, noisy, known, dtype = 'f32') {
  const [below, above] = [placed(device, noisy, dtype), placed(device, known, dtype)];
  const x = Tensor.zeros(device, [noisy.count], { dtype });
  const y = Tensor.zeros(device, [noisy.width, classes], { dtype });
  const weights = Tensor.zeros(device, [noisy.count], { dtype });
  /** part = the probabilities less the labels. @param {typeof below} of */
  const off = (of) => {
    ops.gemm(device, { a: of.x, b: y, c: of.chances });
    ops.rowSoftmax(device, { x: of.chances, out: of.chances });
    ops.linearCombination(device, { out: [of.part], terms: [of.chances, of.targets], coefficients: [1, -1] });
  };
  /** out = Xᵀ (weights ⊙ part) / n + ρ v. @param {Tensor} v @param {Tensor} out */
  const back = (v, out) => {
    ops.map(device, { x: [x], out: [weights], function: 'sigmoid' });
    ops.scaleAxis(device, { x: below.part, scale: weights, out: below.part, axis: 0 });
    ops.gemm(device, { a: below.x, b: below.part, c: out, transA: 'transposed', alpha: 1 / below.count, addend: v, beta: penalty }); // biome-ignore format: one line
  };
  return {
    x: [x],
    y: [y],
    lowerGradientY(/** @type {readonly Tensor[]} */ [out]) {
      off(below);
      back(y, out);
    },
    upperValue(/** @type {Tensor} */ out) {
      off(above);
      ops.map(device, { x: [above.chances], out: [above.chances], function: 'log' });
      ops.dots(device, { x: [above.chances], y: [above.targets], out });
      ops.linearCombination(device, { out: [out], terms: [out], coefficients: [-1 / above.count] });
    },
    upperGradientX: (/** @type {readonly Tensor[]} */ [out]) => ops.fill(device, { x: [out] }),
    upperGradientY(/** @type {readonly Tensor[]} */ [out]) {
      off(above);
      ops.gemm(device, { a: above.x, b: above.part, c: out, transA: 'transposed', alpha: 1 / above.count });
    },
    lowerHessianYY(/** @type {readonly Tensor[]} */ [v], /** @type {readonly Tensor[]} */ [out]) {
      off(below);
      ops.gemm(device, { a: below.x, b: v, c: below.part });
      ops.rowSoftmaxBackward(device, { grad: below.part, y: below.chances, out: below.part });
      back(v, out);
    },
    lowerJacobianXY(/** @type {readonly Tensor[]} */ [v], /** @type {readonly Tensor[]} */ [out]) {
      off(below);
      ops.gemm(device, { a: below.x, b: v, c: below.chances });
      ops.multiply(device, { x: [below.part], y: [below.chances], out: [below.part] });
      ops.rowReduce(device, { x: below.part, out: below.sums });
      ops.mapBackward(device, { grad: [below.sums], x: [x], out: [out], function: 'sigmoid' });
      ops.linearCombination(device, { out: [out], terms: [out], coefficients: [1 / below.count] });
    },
  };
}
