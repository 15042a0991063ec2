// Shared by references of transport.
import { sum } from './sums.ts';

/** A transport problem, or what is known of one: a matrix of `rows` × `columns`, and vectors along its sides. */
export interface Side {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
}

/** ln Σ exp(term(k)) for k < n; −Infinity of no finite terms. */
export function logSumOfExps(n: number, term: (k: number) => number): number {
  let most = -Infinity;
  for (let k = 0; k < n; k++) most = Math.max(most, term(k));
  return most === -Infinity ? most : most + Math.log(sum(n, (k) => Math.exp(term(k) - most)));
}

/** exp((fᵢ + gⱼ − costᵢⱼ) / eps). */
export function planOf(cost: Float64Array, f: Float64Array, g: Float64Array, eps: number): Float64Array {
  const m = g.length;
  return cost.map((c, k) => Math.exp((f[Math.floor(k / m)]! + g[k % m]! - c) / eps));
}

export const rowSumsOf = (plan: Float64Array, rows: number, columns: number): Float64Array =>
  Float64Array.from({ length: rows }, (_, i) => sum(columns, (j) => plan[i * columns + j]!));
export const columnSumsOf = (plan: Float64Array, rows: number, columns: number): Float64Array =>
  Float64Array.from({ length: columns }, (_, j) => sum(rows, (i) => plan[i * columns + j]!));
/** Σ |xᵢ − yᵢ| */
export const distance = (x: Float64Array, y: Float64Array): number => sum(x.length, (i) => Math.abs(x[i]! - y[i]!));
