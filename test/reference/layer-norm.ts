import { sum } from './sums.ts';

/** (x − mean) / √(variance + eps) of one row, and the denominator. */
export function normalized(x: ArrayLike<number>, eps: number): { normal: Float64Array; deviation: number } {
  const n = x.length;
  const mean = sum(n, (j) => x[j]!) / n;
  const deviation = Math.sqrt(sum(n, (j) => (x[j]! - mean) ** 2) / n + eps);
  return { normal: Float64Array.from(x, (value) => (value - mean) / deviation), deviation };
}

/** Without a weight it is 1, without a bias 0. */
export function layerNorm(
  x: Float64Array,
  columns: number,
  eps: number,
  weight?: ArrayLike<number>,
  bias?: ArrayLike<number>,
): Float64Array {
  const out = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += columns) {
    const { normal } = normalized(x.subarray(at, at + columns), eps);
    for (let j = 0; j < columns; j++) out[at + j] = normal[j]! * (weight?.[j] ?? 1) + (bias?.[j] ?? 0);
  }
  return out;
}
