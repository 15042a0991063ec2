import { sum } from './sums.ts';

/** ln Σⱼ exp(xᵢⱼ) of every row. */
export const rowLogsumexp = (x: Float64Array, rows: number, columns: number): Float64Array =>
  Float64Array.from({ length: rows }, (_, i) => {
    const row = x.subarray(i * columns, (i + 1) * columns);
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
    return columns === 0 ? -Infinity : most + Math.log(sum(columns, (j) => Math.exp(row[j]! - most)));
  });
