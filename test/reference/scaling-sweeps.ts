import { sum } from './sums.ts';
import type { Side } from './transport.ts';

/** Sweeps on u and v in place: [sweeps, error of the columns before the last update of v, largest |ln|, failed]. */
export function scalingSweeps(
  kernel: Float64Array,
  masses: Side,
  u: Float64Array,
  v: Float64Array,
  { maxSweeps = 1, tol = 0, maxScale = 1e50 }: { maxSweeps?: number; tol?: number; maxScale?: number },
): number[] {
  const [n, m] = [u.length, v.length];
  let [error, largest] = [Infinity, 0];
  for (let done = 0; done < maxSweeps; done++) {
    const next = masses.rows.map((r, i) => (r === 0 ? 0 : r / sum(m, (j) => kernel[i * m + j]! * v[j]!)));
    const sums = v.map((_, j) => sum(n, (i) => next[i]! * kernel[i * m + j]!));
    const right = masses.columns.map((c, j) => (c === 0 ? 0 : c / sums[j]!));
    const logs = [
      ...next.filter((_, i) => masses.rows[i] !== 0),
      ...right.filter((_, j) => masses.columns[j] !== 0),
    ].map((x) => Math.abs(Math.log(x)));
    if (!logs.every(Number.isFinite)) return [done, error, largest, 1];
    error = sum(m, (j) => Math.abs(masses.columns[j]! - v[j]! * sums[j]!));
    largest = Math.max(...logs, 0);
    u.set(next);
    v.set(right);
    if (error <= tol || largest > Math.log(maxScale)) return [done + 1, error, largest, 0];
  }
  return [maxSweeps, error, largest, 0];
}
