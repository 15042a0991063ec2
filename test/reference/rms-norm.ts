import { sum } from './sums.ts';

/** x / √(mean(x²) + eps) · weight of each row. Without a weight it is 1. */
export function rmsNorm(x: Float64Array, columns: number, eps: number, weight?: ArrayLike<number>): Float64Array {
  const out = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += columns) {
    const root = Math.sqrt(sum(columns, (j) => x[at + j]! ** 2) / columns + eps);
    for (let j = 0; j < columns; j++) out[at + j] = (x[at + j]! / root) * (weight?.[j] ?? 1);
  }
  return out;
}
