// Squared distances as measurements of the Gram matrix X of points: |point i − point j|² = aᵀ·X·a with a = eᵢ − eⱼ. With B the matrix of
// all a, two entries a row, they are the rows' products of B·left and B·right.
import { ops, Tensor } from 'orthokit';

/** @import { Device } from 'orthokit' */
/** @import { MeasurementOperator } from 'orthokit/lowrank' */

/** @param {Device} device @param {readonly { i: number, j: number }[]} pairs @param {number} n points @param {number} rank of the factors @returns {MeasurementOperator} */
export function distances(device, pairs, n, rank) {
  const m = pairs.length;
  const dtype = 'f64';
  const list = (/** @type {number[]} */ numbers) => Tensor.from(device, Int32Array.from(numbers), [numbers.length]);
  const make = (/** @type {number[]} */ shape) => Tensor.zeros(device, shape, { dtype });
  const across = {
    starts: list(Array.from({ length: m + 1 }, (_, e) => 2 * e)),
    columns: list(pairs.flatMap(({ i, j }) => [i, j])),
    values: Tensor.from(
      device,
      Float64Array.from({ length: 2 * m }, (_, at) => (at % 2 ? -1 : 1)),
      [2 * m],
    ),
  };
  /** @type {number[][]} the rows of B with each point, and the sign that it has there */
  const [rowsOf, signsOf] = [0, 1].map(() => Array.from({ length: n }, () => /** @type {number[]} */ ([])));
  for (const [e, pair] of pairs.entries())
    for (const [point, sign] of [
      [pair.i, 1],
      [pair.j, -1],
    ]) {
      rowsOf[point].push(e);
      signsOf[point].push(sign);
    }
  const starts = [0];
  for (const rows of rowsOf) starts.push(starts.at(-1) + rows.length);
  const back = {
    starts: list(starts),
    columns: list(rowsOf.flat()),
    values: Tensor.from(device, Float64Array.from(signsOf.flat()), [2 * m]),
  };
  const every = list(Array.from({ length: m }, (_, e) => e));
  /** @type {Record<number, [Tensor, Tensor]>} by columns of the factors: the step size is found by vectors */
  const room = Object.fromEntries([1, rank].map((k) => [k, [make([m, k]), make([m, k])]]));
  const spread = (/** @type {Tensor} */ x, /** @type {Tensor} */ out) => {
    ops.combineEntries(device, { ...across, x, out });
    return out;
  };
  const byFactorsAlone = () => {
    throw new Error('distances are measured by factors alone');
  };
  return {
    device,
    dtype,
    shape: [m, n * n],
    sides: [n, n],
    apply: byFactorsAlone,
    adjoint: byFactorsAlone,
    factors: {
      apply(left, right, out) {
        const [a, b] = room[left.shape[1]];
        ops.entryProducts(device, { rows: every, columns: every, x: spread(left, a), y: spread(right, b), out });
      },
      adjoint(values, left, right, outLeft, outRight) {
        const [own] = room[left.shape[1]];
        for (const [x, out] of [
          [right, outLeft],
          [left, outRight],
        ]) {
          ops.scaleAxis(device, { x: spread(x, own), scale: values, out: own, axis: 0 });
          ops.combineEntries(device, { ...back, x: own, out });
        }
      },
    },
  };
}
