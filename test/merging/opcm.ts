// OPCM as the paper and its authors' program write it, in plain loops over doubles: full singular vectors, one matrix.

/** Rows of numbers. */
export type Matrix = number[][];

const zeros = (rows: number, columns: number): Matrix => Array.from({ length: rows }, () => new Array(columns).fill(0));
export const transposed = (x: Matrix): Matrix => x[0]!.map((_, j) => x.map((row) => row[j]!));
export function product(a: Matrix, b: Matrix): Matrix {
  const out = zeros(a.length, b[0]!.length);
  for (const [i, row] of a.entries())
    for (const [k, x] of row.entries()) for (let j = 0; j < out[i]!.length; ++j) out[i]![j]! += x * b[k]![j]!;
  return out;
}
export const inner = (a: Matrix, b: Matrix): number =>
  a.reduce((sum, row, i) => sum + row.reduce((own, x, j) => own + x * b[i]![j]!, 0), 0);

/** Eigenvectors of a symmetric matrix, as columns, by cyclic Jacobi rotations; values descending. */
function eigen(symmetric: Matrix): { values: number[]; vectors: Matrix } {
  const n = symmetric.length;
  const a = symmetric.map((row) => [...row]);
  const v = zeros(n, n).map((row, i) => row.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < 60; ++sweep) {
    let off = 0;
    for (let p = 0; p < n; ++p) {
      for (let q = p + 1; q < n; ++q) {
        off += a[p]![q]! ** 2;
        if (a[p]![q] === 0) continue;
        const zeta = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        const s = c * t;
        for (const rows of [a, v])
          for (const row of rows) [row[p], row[q]] = [c * row[p]! - s * row[q]!, s * row[p]! + c * row[q]!];
        for (let j = 0; j < n; ++j)
          [a[p]![j], a[q]![j]] = [c * a[p]![j]! - s * a[q]![j]!, s * a[p]![j]! + c * a[q]![j]!];
      }
    }
    if (off < 1e-28) break;
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j]![j]! - a[i]![i]!);
  return { values: order.map((i) => a[i]![i]!), vectors: v.map((row) => order.map((i) => row[i]!)) };
}

/** Columns that are orthonormal, those given first: the others follow from unit vectors. */
function completed(columns: Matrix, count: number): Matrix {
  const found = [...columns];
  for (let unit = 0; found.length < count; ++unit) {
    let own = Array.from({ length: count }, (_, i) => Number(i === unit));
    for (let pass = 0; pass < 2; ++pass)
      for (const other of found) {
        const along = own.reduce((sum, x, i) => sum + x * other[i]!, 0);
        own = own.map((x, i) => x - along * other[i]!);
      }
    const norm = Math.hypot(...own);
    if (norm > 1e-6) found.push(own.map((x) => x / norm));
  }
  return found;
}

/** Singular vectors, as rows, and singular values. */
export interface Svd {
  u: Matrix;
  s: number[];
  v: Matrix;
}

/** Full singular vectors of thin ones. */
export const full = ({ u, s, v }: Svd): Svd => ({ u: completed(u, u[0]!.length), s, v: completed(v, v[0]!.length) });

/** Full singular vectors of a matrix whose smaller side has full rank. */
export function fullSvd(x: Matrix): Svd {
  const isWide = x.length < x[0]!.length;
  const tall = isWide ? transposed(x) : x;
  const { values, vectors } = eigen(product(transposed(tall), tall));
  const s = values.map((value) => Math.sqrt(Math.max(0, value)));
  const right = transposed(vectors);
  const images = product(right, transposed(tall)).map((row, i) => row.map((value) => value / s[i]!));
  const left = completed(images, tall.length);
  return isWide ? { u: right, s, v: left } : { u: left, s, v: right };
}

/**
 * How far a singular vector turns at most, to first order, where rounding changes a matrix by some units of its largest
 * singular value for each of its smaller side: by that over the smallest distance of a singular value to another one,
 * or to 0 where there are more vectors than values (Stewart and Sun, Matrix Perturbation Theory, 1990).
 */
export function turnOf({ u, s, v }: Svd, unit: number): number {
  const values = u.length === v.length ? s : [...s, 0];
  const gap = values.slice(1).reduce((least, value, i) => Math.min(least, values[i]! - value), values[0]!);
  return (4 * s.length * unit * s[0]!) / gap;
}

/** The authors' formula: the part of a task vector that is merged, and the split rank. */
export function cleaned({ u, s, v }: Svd, task: Matrix, alpha: number): { clean: Matrix; rank: number } {
  const total = s.reduce((a, b) => a + b, 0);
  let sum = 0;
  const rank = s.findIndex((value) => {
    sum += value;
    return sum / total > alpha;
  });
  const p = product(product(u, task), transposed(v));
  for (const [i, row] of p.entries())
    for (let j = 0; j < row.length; ++j) if (i === j || (i < rank && j < rank)) row[j] = 0;
  return { clean: product(product(transposed(u), p), v), rank };
}
