// A concave function of four numbers whose gradient and Hessian are exact: −θᵀ Q θ / 2 + cᵀ θ.
import { type Device, ops, Tensor } from '../../lib/index.ts';
import type { PolicyOracle } from '../../lib/policy/index.ts';

const q = [
  [2, 0.3, 0, 0],
  [0.3, 1, 0.2, 0],
  [0, 0.2, 3, 0.1],
  [0, 0, 0.1, 0.5],
];
const c = [1, -1, 0.5, 2];

const product = (x: ArrayLike<number>) => q.map((row) => row.reduce((sum, a, j) => sum + a * x[j]!, 0));
export const gradientAt = (x: ArrayLike<number>): number[] => product(x).map((value, i) => c[i]! - value);
export const valueAt = (x: ArrayLike<number>): number =>
  product(x).reduce((sum, value, i) => sum - (x[i]! * value) / 2 + c[i]! * x[i]!, 0);

/** Its largest value, where Q θ = c, by Gauss's elimination. */
export function largestValue(): number {
  const rows = q.map((row, i) => [...row, c[i]!]);
  for (let i = 0; i < 4; ++i)
    for (let k = 0; k < 4; ++k)
      if (k !== i) {
        const factor = rows[k]![i]! / rows[i]![i]!;
        for (let j = 0; j <= 4; ++j) rows[k]![j]! -= factor * rows[i]![j]!;
      }
  return valueAt(rows.map((row, i) => row[4]! / row[i]!));
}

/** The function's oracle, all on the device; the parameter is `[4, 1]`. */
export function quadratic(device: Device, dtype: 'f32' | 'f64'): Required<PolicyOracle> {
  const from = (numbers: number[], shape: number[]) =>
    Tensor.from(device, dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers), shape);
  const [a, offset] = [from(q.flat(), [4, 4]), from(c, [4, 1])];
  return {
    gradient: ([b], [out]) => ops.gemm(device, { a, b: b!, c: out!, addend: offset, alpha: -1, beta: 1 }),
    hessianProduct: (_, [b], [out]) => ops.gemm(device, { a, b: b!, c: out!, alpha: -1 }),
  };
}

/** Threes. */
export const start = (device: Device, dtype: 'f32' | 'f64'): Tensor => Tensor.full(device, [4, 1], 3, { dtype });
