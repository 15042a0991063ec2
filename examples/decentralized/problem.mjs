// Digits that are split by class, and the softmax regression that nodes train on them together: the mean of all nodes' losses, each
// with the penalty μ |Y|² / 2.
import { ops, Tensor } from 'orthokit';
import { classes, loadDigits } from '../digits/data.mjs';

/** @import { Device } from 'orthokit' */

export const side = 14;
/** With a pixel that is always 1. */
export const width = side * side + 1;
export const dim = width * classes;
export const mu = 0.05;
/** The Lipschitz constant of the regression where the mean square length of a node's digits is at most 1, plus μ. */
export const lipschitz = 0.5 + mu;

/** Rows of smaller digits: means of 2 × 2 pixels. @param {Float32Array} images @param {ArrayLike<number>} index */
function rowsOf(images, index) {
  const rows = new Float32Array(index.length * width);
  for (let i = 0; i < index.length; ++i) {
    const from = images.subarray(index[i] * 784, (index[i] + 1) * 784);
    for (let p = 0; p < 784; ++p) rows[i * width + (Math.floor(p / 56) * side + ((p % 28) >> 1))] += from[p] / 4;
    rows[i * width + side * side] = 1;
  }
  return rows;
}

/**
 * `nodes` parts of the digits in the order of their classes, so that a node has one class or two, and digits for a test.
 *
 * @param {number} nodes @param {number} each digits of a node
 */
export function digitsOf(nodes, each) {
  const { train, test } = loadDigits();
  const count = Math.floor(train.labels.length / nodes);
  const parts = Array.from({ length: nodes }, (_, node) => {
    const index = Array.from({ length: Math.min(each, count) }, (_, i) => node * count + Math.floor((i * count) / Math.min(each, count))); // biome-ignore format: one line
    return { rows: rowsOf(train.images, index), labels: Int32Array.from(index, (at) => train.labels[at]), count: index.length }; // biome-ignore format: one line
  });
  const all = [...test.labels.keys()];
  const judged = { rows: rowsOf(test.images, all), labels: test.labels, count: all.length };
  // One factor for all, so that the largest mean square length of a node is 1.
  const square = Math.max(...parts.map(({ rows, count }) => rows.reduce((sum, x) => sum + x * x, 0) / count));
  for (const { rows } of [...parts, judged]) for (let k = 0; k < rows.length; ++k) rows[k] /= Math.sqrt(square);
  return { parts, test: judged };
}

/** @typedef {{ rows: Float32Array, labels: Int32Array, count: number }} Digits */

/** out = the gradient of a node's loss at x, both of `dim` numbers. @param {Device} device @param {Digits} digits */
export function gradientOf(device, { rows, labels, count }) {
  const hot = new Float32Array(count * classes);
  for (let i = 0; i < count; ++i) hot[i * classes + labels[i]] = 1;
  const [a, targets] = [Tensor.from(device, rows, [count, width]), Tensor.from(device, hot, [count, classes])];
  const chances = Tensor.zeros(device, [count, classes]);
  return (/** @type {Tensor} */ x, /** @type {Tensor} */ out) => {
    const b = x.reshape([width, classes]);
    const c = out.reshape([width, classes]);
    ops.gemm(device, { a, b, c: chances });
    ops.rowSoftmax(device, { x: chances, out: chances });
    ops.linearCombination(device, { out: [chances], terms: [chances, targets], coefficients: [1, -1] });
    ops.gemm(device, { a, b: chances, c, transA: 'transposed', alpha: 1 / count, addend: b, beta: mu });
    for (const view of [b, c]) view.dispose();
  };
}

/** The share of digits that are right by x. @param {Digits} digits @param {Float32Array} x */
export function shareRight({ rows, labels, count }, x) {
  let right = 0;
  for (let i = 0; i < count; ++i) {
    const scores = new Float64Array(classes);
    for (let p = 0; p < width; ++p) {
      const value = rows[i * width + p];
      if (value !== 0) for (let k = 0; k < classes; ++k) scores[k] += value * x[p * classes + k];
    }
    right += Number(scores.indexOf(Math.max(...scores)) === labels[i]);
  }
  return right / count;
}

/** Edges of a ring. @param {number} nodes @returns {[number, number][]} */
export const ring = (nodes) => Array.from({ length: nodes }, (_, i) => [Math.min(i, (i + 1) % nodes), Math.max(i, (i + 1) % nodes)]); // biome-ignore format: one line
