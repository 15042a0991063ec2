// Matrices of low rank for tests of their recovery.
import { normal, uniform } from './data.ts';

/** Orthonormal columns, `[m][k]` as one array, drawn. */
export const orthonormalColumns = (m: number, k: number, seed: number): Float64Array =>
  orthonormalized(normal(m * k, seed), m, k);

/** The columns of `[m][k]`, each less those before, of norm 1. */
export function orthonormalized(x: Float64Array, m: number, k: number): Float64Array {
  const out = x.slice();
  for (let j = 0; j < k; ++j) {
    for (let pass = 0; pass < 2; ++pass)
      for (let before = 0; before < j; ++before) {
        let along = 0;
        for (let i = 0; i < m; ++i) along += out[i * k + j]! * out[i * k + before]!;
        for (let i = 0; i < m; ++i) out[i * k + j]! -= along * out[i * k + before]!;
      }
    let square = 0;
    for (let i = 0; i < m; ++i) square += out[i * k + j]! ** 2;
    for (let i = 0; i < m; ++i) out[i * k + j]! /= Math.sqrt(square);
  }
  return out;
}

/** a bᵀ of `[m, k]` and `[n, k]`, row by row. */
export function outer(a: ArrayLike<number>, b: ArrayLike<number>, k: number): Float64Array {
  const [m, n] = [a.length / k, b.length / k];
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; ++i)
    for (let j = 0; j < n; ++j) {
      let sum = 0;
      for (let c = 0; c < k; ++c) sum += a[i * k + c]! * b[j * k + c]!;
      out[i * n + j] = sum;
    }
  return out;
}

/** |x − y| / |y|, Frobenius. */
export function relativeError(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < y.length; ++i) {
    error += (x[i]! - y[i]!) ** 2;
    size += y[i]! ** 2;
  }
  return Math.sqrt(error / size);
}

/** Each entry of a matrix with a chance of `share`, by a seed or a stream of numbers in [0, 1). */
export function sampledEntries<A extends Float32Array | Float64Array>(
  matrix: A,
  shape: readonly [number, number],
  share: number,
  by: number | (() => number),
): { rows: Int32Array; cols: Int32Array; values: A; shape: readonly [number, number] } {
  const next = typeof by === 'number' ? uniform(by) : by;
  const places = Array.from(matrix, (_, at) => at).filter(() => next() < share);
  const chosen = new Set(places);
  return {
    rows: Int32Array.from(places, (at) => Math.floor(at / shape[1])),
    cols: Int32Array.from(places, (at) => at % shape[1]),
    values: matrix.filter((_, at) => chosen.has(at)) as A,
    shape,
  };
}
