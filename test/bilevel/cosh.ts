// A problem of two levels of five numbers each, whose upper function bends without bound, with known optimum:
// f = Σ cosh(yᵢ) + 0.05 |x − c|², g = yᵀ A y / 2 − yᵀ (B x + b).

import type { BilevelOracle } from '../../lib/bilevel/index.ts';
import { type Device, ops, Tensor } from '../../lib/index.ts';

const n = 5;
const all = Array.from({ length: n }, (_, i) => i);
const root = all.map((i) => all.map((j) => Number(i === j) + 0.3 * Math.cos(1 + 3 * i + 3 * j + i * j)));
export const a = all.map((i) =>
  all.map((j) => all.reduce((sum, k) => sum + (root[i]![k]! * root[j]![k]!) / n, 0) + Number(i === j)),
);
const b = all.map((i) => all.map((j) => Math.sin(1 + i + 2 * j)));
const offset = all.map((i) => 0.5 * Math.cos(2 * i));
const c = [2, -2, 1, -1, 0.5];

export const optimum = { x: [1.62518639, -1.27060845, 0.76774564, -1.53608771, 1.17843678], value: 5.29053634574342 };

/** The solution of A y = r, by Gauss's elimination. */
function solved(r: readonly number[]): number[] {
  const rows = a.map((row, i) => [...row, r[i]!]);
  for (const i of all)
    for (const k of all)
      if (k !== i) {
        const factor = rows[k]![i]! / rows[i]![i]!;
        for (let j = 0; j <= n; ++j) rows[k]![j]! -= factor * rows[i]![j]!;
      }
  return rows.map((row, i) => row[n]! / row[i]!);
}

export const lowerSolution = (x: readonly number[]): number[] =>
  solved(all.map((i) => b[i]!.reduce((sum, value, j) => sum + value * x[j]!, offset[i]!)));
/** Φ(x). */
export const valueAt = (x: readonly number[]): number =>
  lowerSolution(x).reduce((sum, y) => sum + Math.cosh(y), 0) +
  x.reduce((sum, value, i) => sum + 0.05 * (value - c[i]!) ** 2, 0);

/** Its oracle, all on the device. With `noise`, all results but values have normal noise of that deviation. */
export function cosh(device: Device, dtype: 'f32' | 'f64' = 'f64', noise = 0, seed = 7): Required<BilevelOracle> {
  const from = (numbers: readonly number[], shape: number[]) =>
    Tensor.from(device, dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers), shape);
  const [A, B, o, center] = [from(a.flat(), [n, n]), from(b.flat(), [n, n]), from(offset, [n, 1]), from(c, [n, 1])];
  const x = Tensor.full(device, [n, 1], 3, { dtype });
  const y = from(lowerSolution([3, 3, 3, 3, 3]), [n, 1]);
  const [up, down] = [Tensor.zeros(device, [n, 1], { dtype }), Tensor.zeros(device, [n, 1], { dtype })];
  let drawn = 0;
  const noisy = (out: Tensor): void => {
    if (noise === 0) return;
    drawn += 1;
    using draw = Tensor.randn(device, [n, 1], { seed, offset: n * drawn, dtype });
    ops.linearCombination(device, { out: [out], terms: [out, draw], coefficients: [1, noise] });
  };
  return {
    x: [x],
    y: [y],
    lowerGradientY([out]) {
      ops.gemm(device, { a: B, b: x, c: out!, addend: o, beta: -1, alpha: -1 });
      ops.gemm(device, { a: A, b: y, c: out!, beta: 1 });
      noisy(out!);
    },
    lowerGradientX([out]) {
      ops.gemm(device, { a: B, b: y, c: out!, transA: 'transposed', alpha: -1 });
      noisy(out!);
    },
    upperValue(out) {
      // Σ cosh = Σ (eʸ + e⁻ʸ) / 2.
      ops.linearCombination(device, { out: [down], terms: [y], coefficients: [-1] });
      ops.map(device, { x: [y, down], out: [up, down], function: 'exp' });
      ops.linearCombination(device, { out: [up], terms: [up, down], coefficients: [0.5, 0.5] });
      ops.linearCombination(device, { out: [down], terms: [x, center], coefficients: [1, -1] });
      ops.multiply(device, { x: [down], y: [down], out: [down] });
      ops.linearCombination(device, { out: [up], terms: [up, down], coefficients: [1, 0.05] });
      using row = up.reshape([1, n]);
      ops.rowReduce(device, { x: row, out });
    },
    upperGradientX([out]) {
      ops.linearCombination(device, { out: [out!], terms: [x, center], coefficients: [0.1, -0.1] });
      noisy(out!);
    },
    upperGradientY([out]) {
      ops.linearCombination(device, { out: [down], terms: [y], coefficients: [-1] });
      ops.map(device, { x: [y, down], out: [up, down], function: 'exp' });
      ops.linearCombination(device, { out: [out!], terms: [up, down], coefficients: [0.5, -0.5] });
      noisy(out!);
    },
    lowerHessianYY([v], [out]) {
      ops.gemm(device, { a: A, b: v!, c: out! });
      noisy(out!);
    },
    lowerJacobianXY([v], [out]) {
      ops.gemm(device, { a: B, b: v!, c: out!, transA: 'transposed', alpha: -1 });
      noisy(out!);
    },
  };
}
