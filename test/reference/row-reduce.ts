import { sum, sumOfSquares } from './sums.ts';

export type Reduction = 'sum' | 'mean' | 'max' | 'sum_of_squares' | 'norm';
export const reductions: readonly Reduction[] = ['sum', 'mean', 'max', 'sum_of_squares', 'norm'];

/** Whatever the range of the squares. */
function norm(x: ArrayLike<number>): number {
  const largest = Array.from(x).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  if (largest === 0 || !Number.isFinite(largest)) return largest;
  return largest * Math.sqrt(sumOfSquares(Float64Array.from(x, (v) => v / largest)));
}

/** The result of one row. */
export function reduce(x: ArrayLike<number>, reduction: Reduction): number {
  if (reduction === 'max') return Array.from(x).reduce((a, b) => Math.max(a, b), -Infinity);
  if (reduction === 'sum_of_squares') return sumOfSquares(x);
  if (reduction === 'norm') return norm(x);
  const total = sum(x.length, (i) => x[i]!);
  return reduction === 'mean' ? total / x.length : total;
}

export const rowReduce = (x: Float64Array, rows: number, columns: number, reduction: Reduction): Float64Array =>
  Float64Array.from({ length: rows }, (_, i) => reduce(x.subarray(i * columns, (i + 1) * columns), reduction));
