// Matrices in plain float64, row by row, and what a factorization of them must keep.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type Device, Tensor } from '../../lib/index.ts';
import { normal } from './data.ts';
import { spacing } from './dtypes.ts';

export type Dtype = 'f32' | 'f64';

/** a · b, a with `inner` columns. */
export function multiply(a: ArrayLike<number>, b: ArrayLike<number>, inner: number): Float64Array {
  const [rows, columns] = inner === 0 ? [0, 0] : [a.length / inner, b.length / inner];
  const c = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let t = 0; t < inner; t++)
      for (let j = 0; j < columns; j++) c[i * columns + j]! += a[i * inner + t]! * b[t * columns + j]!;
  return c;
}

export function transposed(a: ArrayLike<number>, columns: number): Float64Array {
  const rows = columns === 0 ? 0 : a.length / columns;
  return Float64Array.from({ length: a.length }, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]!);
}

/** The matrix with these numbers on its diagonal. */
export const diagonal = (values: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: values.length ** 2 }, (_, i) =>
    i % (values.length + 1) === 0 ? values[i / (values.length + 1)]! : 0,
  );

/** Symmetric, with the lower half of x. */
export const mirrored = (x: ArrayLike<number>, n: number): Float64Array =>
  Float64Array.from({ length: n * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    return x[Math.max(row, column) * n + Math.min(row, column)]!;
  });

/** Entries 1 / (i + j + 1): positive definite, and as badly conditioned as can be. */
export const hilbert = (n: number): Float64Array =>
  Float64Array.from({ length: n * n }, (_, i) => 1 / (Math.floor(i / n) + (i % n) + 1));

export const largest = (x: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i]!));
  return most;
};

/** Throws unless the matrices are as near as `roundings` of the dtype at the size of the largest expected entry. */
export function expectNear(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  dtype: Dtype,
  roundings: number,
): void {
  expect(actual.length).toBe(expected.length);
  const most = roundings * spacing(largest(expected), dtype);
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i]! - expected[i]!) <= most))
      throw new Error(
        `element ${i}: expected ${expected[i]}, got ${actual[i]}, ${Math.abs(actual[i]! - expected[i]!) / most} of the bound`,
      );
}

/** Throws unless the columns are orthonormal within so many roundings. */
export function expectOrthonormal(q: ArrayLike<number>, columns: number, dtype: Dtype, roundings: number): void {
  const rows = columns === 0 ? 0 : q.length / columns;
  expectNear(
    multiply(transposed(q, columns), q, rows),
    diagonal(new Float64Array(rows === 0 ? 0 : columns).fill(1)),
    dtype,
    roundings,
  );
}

/** The largest singular value of a symmetric matrix, by powers of its square. */
export function spectralNorm(x: Float64Array, n: number): number {
  let vector = normal(n, 1);
  let norm = 0;
  for (let i = 0; i < 30; i++) {
    vector = multiply(x, vector, n);
    norm = Math.hypot(...vector);
    if (norm === 0) return 0;
    vector = vector.map((value) => value / norm);
  }
  return norm;
}

/** Throws unless the columns are orthonormal to 10·ε·√columns in the spectral norm. */
export function expectOrthogonality(q: ArrayLike<number>, columns: number, dtype: Dtype): void {
  const gram = multiply(transposed(q, columns), q, q.length / columns);
  for (let i = 0; i < columns; i++) gram[i * (columns + 1)]! -= 1;
  expect(spectralNorm(gram, columns)).toBeLessThanOrEqual(10 * spacing(1, dtype) * Math.sqrt(columns));
}

/** Throws unless the first entry of each column that has nine tenths of the largest one's size is positive. */
export function expectSigns(x: ArrayLike<number>, columns: number): void {
  const turned = transposed(x, columns);
  const rows = columns === 0 ? 0 : x.length / columns;
  for (let j = 0; j < columns; j++) {
    const column = turned.subarray(j * rows, (j + 1) * rows);
    const near = 0.9 * largest(column);
    expect(column.find((entry) => Math.abs(entry) >= near)).toBeGreaterThan(0);
  }
}

/** Tensors for outputs, filled with what no operation writes. */
export const unwritten = (device: Device, shape: readonly number[], dtype: Dtype | 'i32'): Tensor =>
  Tensor.full(device, shape, dtype === 'i32' ? -77 : 77, { dtype });

/** M·Mᵀ of normal numbers, plus the identity. */
export function positive(n: number, seed: number): Float64Array {
  const half = normal(n * n, seed);
  const gram = multiply(half, transposed(half, n), n);
  for (let i = 0; i < n; i++) gram[i * n + i]! += 1;
  return gram;
}

/** Small numbers but on the diagonal, 1, 2, 3 …: eigenvalues and singular values stand apart, columns are far from dependent. */
export const apart = (rows: number, columns: number, seed: number): Float64Array =>
  normal(rows * columns, seed, 1 / (2 * Math.max(rows, columns))).map((value, i) =>
    Math.floor(i / columns) === i % columns ? 1 + (i % columns) : value,
  );

/**
 * The unit of errors of eigenvectors, the columns of `vectors`: the roundings of the largest value over the gaps
 * between the values, and those of a vector's length. native/bench/reference/dense/eigh.cpp derives it.
 */
export function termsOfEigenvectors(values: ArrayLike<number>, vectors: ArrayLike<number>): Float64Array {
  const n = values.length;
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [row, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let i = 0; i < n; i++) if (i !== j) sum += (vectors[row * n + i]! / (values[j]! - values[i]!)) ** 2;
    return 1 + largest(values) * Math.sqrt(sum);
  });
}

/** The same of left or right singular vectors, for descending values; native/bench/reference/dense/svd.cpp derives it. */
export function termsOfSingularVectors(values: ArrayLike<number>, vectors: ArrayLike<number>): Float64Array {
  const k = values.length;
  const isSquare = vectors.length === k * k;
  return Float64Array.from({ length: vectors.length }, (_, at) => {
    const [row, j] = [Math.floor(at / k), at % k];
    const own = values[j]!;
    let [sum, inside] = [0, 0];
    for (let i = 0; i < k; i++) {
      const [entry, other] = [vectors[row * k + i]!, values[i]!];
      inside += entry ** 2;
      if (i !== j) sum += (entry / (own ** 2 - other ** 2)) ** 2 * (own ** 2 + other ** 2);
    }
    const beside = isSquare ? 0 : Math.sqrt(Math.max(0, 1 - inside));
    return 1 + values[0]! * (Math.sqrt(2 * sum) + beside / own);
  });
}

/** Sides of matrices around those of tiles, and one of a kind. */
export const awkwardSides = [
  [1, 1],
  [2, 2],
  [5, 1],
  [1, 5],
  [31, 7],
  [7, 31],
  [32, 33],
  [33, 32],
  [65, 65],
] as const;

/** The matrices of a batch behind each other. */
export const joined = (matrices: readonly Float64Array[]): Float64Array =>
  Float64Array.from(matrices.flatMap((matrix) => [...matrix]));

/** Matrix i of a batch, or of one matrix. */
export const part = (x: Float64Array, size: number, i: number): Float64Array => x.subarray(i * size, (i + 1) * size);

interface Problem {
  shape: [rows: number, columns: number];
  seeds: number[];
  qr: { q: number[]; r: number[] };
  svd: { u: number[]; s: number[]; v: number[] };
  lu: { lu: number[]; pivots: number[] };
  luSolve?: number[];
  eigh?: { values: number[]; vectors: number[] };
  cholesky?: number[];
  choleskySolve?: number[];
}

/** Factorizations by SciPy: scripts/golden/dense.py. */
export const goldenProblems: readonly Problem[] = JSON.parse(
  readFileSync(new URL('../golden/dense.json', import.meta.url), 'utf8'),
).problems;
