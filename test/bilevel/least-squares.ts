// A problem for MAID with known optimum: h = |A₂ x + A₃ θ − b₂|² / 2, g = |A₁ x − b₁|² / 2, A₁ to A₃ of 40 rows and 5 columns.

import type { MaidProblem } from '../../lib/bilevel/index.ts';
import { type Device, ops, Tensor } from '../../lib/index.ts';

const [n, m] = [40, 5];
const rows = Array.from({ length: n }, (_, i) => i);
const columns = Array.from({ length: m }, (_, j) => j);
type Matrix = readonly (readonly number[])[];
const matrix = (s: number): Matrix =>
  rows.map((i) => columns.map((j) => Math.sin(s + 0.9 * i * i + 1.7 * j + 0.31 * i * j) / Math.sqrt(n)));
const times = (a: Matrix, x: readonly number[]) => a.map((row) => row.reduce((sum, v, j) => sum + v * x[j]!, 0));
const timesTransposed = (a: Matrix, v: readonly number[]) =>
  columns.map((j) => a.reduce((sum, row, i) => sum + row[j]! * v[i]!, 0));
const [a1, a2, a3] = [matrix(0.3), matrix(1.1), matrix(2.2)];
const b1 = times(a1, columns.map(Math.cos)).map((value, i) => value + 0.01 * Math.cos(5 * i));
const part = times(a3, [0.5, -0.25, 0.75, 0.1, -0.6]);
const b2 = times(
  a2,
  columns.map((j) => Math.sin(1 + j)),
).map((value, i) => value + part[i]!);

/** Gauss's elimination. */
function solved(a: Matrix, r: readonly number[]): number[] {
  const all = a.map((row, i) => [...row, r[i]!]);
  for (const i of all.keys())
    for (const k of all.keys())
      if (k !== i) {
        const factor = all[k]![i]! / all[i]![i]!;
        all[k] = all[k]!.map((value, j) => value - factor * all[i]![j]!);
      }
  return all.map((row, i) => row[a.length]! / row[i]!);
}
const hessian = columns.map((i) => timesTransposed(a2, a2.map((row) => row[i]!))); // biome-ignore format: one line

export const constants = { mu: 0.26938937, lipschitz: 0.73765353, upper: 0.56985267, B: 0.43498872 };
export const optimum = {
  theta: [-0.48086127, 0.47410928, 2.56114142, 1.41107798, -1.02084364],
  value: 8.653399183e-4,
};

/** x̂(θ). */
export const solution = (theta: readonly number[]): number[] => {
  const moved = times(a3, theta);
  return solved(hessian, timesTransposed(a2, b2.map((value, i) => value - moved[i]!))); // biome-ignore format: one line
};
const residual = (x: readonly number[]) => times(a1, x).map((value, i) => value - b1[i]!);
/** f(θ) = g(x̂(θ)). */
export const valueAt = (theta: readonly number[]): number =>
  residual(solution(theta)).reduce((sum, value) => sum + (value * value) / 2, 0);
/** ∇f. */
export const gradientAt = (theta: readonly number[]): number[] => {
  const q = solved(hessian, timesTransposed(a1, residual(solution(theta))));
  return timesTransposed(a3, times(a2, q)).map((value) => -value);
};

/** The problem on a device, for x and θ `[5, 1]`. */
export function leastSquares(device: Device, dtype: 'f32' | 'f64' = 'f64'): MaidProblem {
  const from = (numbers: readonly number[], shape: number[]) =>
    Tensor.from(device, dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers), shape);
  const [A1, A2, A3] = [a1, a2, a3].map((a) => from(a.flat(), [n, m])) as [Tensor, Tensor, Tensor];
  const [c1, c2] = [from(b1, [n, 1]), from(b2, [n, 1])];
  const [long, other] = [from(b1, [n, 1]), from(b1, [n, 1])];
  const multiply = (a: Tensor, x: Tensor, c: Tensor, more: object = {}) => ops.gemm(device, { a, b: x, c, ...more });
  return {
    lower: {
      gradient(x, theta, out) {
        multiply(A2, x, long, { addend: c2, beta: -1 });
        multiply(A3, theta, long, { beta: 1 });
        multiply(A2, long, out, { transA: 'transposed' });
      },
      hessianProduct(_x, _theta, v, out) {
        multiply(A2, v, other);
        multiply(A2, other, out, { transA: 'transposed' });
      },
      jacobianTransposed(_x, _theta, v, out) {
        multiply(A2, v, other);
        multiply(A3, other, out, { transA: 'transposed' });
      },
    },
    upper: {
      lipschitz: constants.upper,
      value(x, out) {
        multiply(A1, x, long, { addend: c1, beta: -1 });
        ops.dots(device, { x: [long], y: [long], out });
        ops.linearCombination(device, { out: [out], terms: [out], coefficients: [0.5] });
      },
      gradient(x, out) {
        multiply(A1, x, long, { addend: c1, beta: -1 });
        multiply(A1, long, out, { transA: 'transposed' });
      },
    },
  };
}
