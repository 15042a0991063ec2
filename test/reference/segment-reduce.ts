import { sum, sumOfSquares } from './sums.ts';

/** Σ x, Σ |x|, max |x|, x·x, and with y x·y, y·y. */
export function segmentReduce(x: ArrayLike<number>, y?: ArrayLike<number>): number[] {
  const largest = Array.from(x).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
  const own = [sum(x.length, (i) => x[i]!), sum(x.length, (i) => Math.abs(x[i]!)), largest, sumOfSquares(x)];
  return y ? [...own, sum(x.length, (i) => x[i]! * y[i]!), sumOfSquares(y)] : own;
}
