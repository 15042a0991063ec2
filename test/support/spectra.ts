// Matrices of known singular values, and how far a factorization is from what it factors.
import { expect } from 'vitest';
import { normal } from './data.ts';
import { type Dtype, mirrored, multiply, transposed } from './dense.ts';
import { spacing } from './dtypes.ts';
import { orthonormalColumns } from './low-rank.ts';

/** Singular values of a matrix whose smaller side is n, the largest first; 12 decades of f64 and 6 of f32 where they fall. */
export const spectra = {
  even: (n: number) => Float64Array.from({ length: n }, (_, i) => 2 - i / n),
  graded: (n: number, dtype: Dtype) =>
    Float64Array.from({ length: n }, (_, i) => 10 ** (((dtype === 'f64' ? -12 : -6) * i) / n)),
  'rank n / 2': (n: number) => Float64Array.from({ length: n }, (_, i) => (2 * i < n ? 2 - i / n : 0)),
  clustered: (n: number, dtype: Dtype) =>
    Float64Array.from({ length: n }, (_, i) =>
      3 * i < n ? 2 + (i % 3) * spacing(1, dtype) : 3 * i < 2 * n ? 1 - i * 3 * spacing(1, dtype) : 1e-3,
    ),
  zero: (n: number) => new Float64Array(n),
} as const;
export type Spectrum = keyof typeof spectra;
export const spectraNames = Object.keys(spectra) as Spectrum[];

const rounded = (x: Float64Array, dtype: Dtype): Float64Array => (dtype === 'f32' ? x.map(Math.fround) : x);

const bases = new Map<string, Float64Array>();

/** Orthonormal columns, which many matrices share: they take longer to find than the rest. */
function basisOf(rows: number, columns: number, seed: number): Float64Array {
  const key = [rows, columns, seed].join();
  const found = bases.get(key) ?? orthonormalColumns(rows, columns, seed);
  bases.set(key, found);
  return found;
}

/** rows × columns of such singular values, rounded to the dtype; symmetric ones have eigenvalues of both signs. */
export function withSpectrum(
  [rows, columns]: readonly [number, number],
  spectrum: Spectrum,
  dtype: Dtype,
  isSymmetric = false,
): Float64Array {
  const k = Math.min(rows, columns);
  const values = spectra[spectrum](k, dtype);
  const left = basisOf(rows, k, rows);
  const right = isSymmetric ? left : basisOf(columns, k, columns + 1);
  const scaled = left.map((x, i) => x * values[i % k]! * (isSymmetric && (i % k) % 2 === 1 ? -1 : 1));
  const matrix = rounded(multiply(scaled, transposed(right, k), k), dtype);
  return isSymmetric ? mirrored(matrix, k) : matrix;
}

/**
 * Wilkinson's matrices of 21 rows, between which stands the root of a rounding: pairs of eigenvalues that nearly agree,
 * many times over, of a matrix that no zero divides.
 */
export function gluedWilkinson(n: number, dtype: Dtype): Float64Array {
  const glue = Math.fround(Math.sqrt(spacing(1, dtype)));
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    if (i === j) return Math.abs((i % 21) - 10);
    if (Math.abs(i - j) > 1) return 0;
    return Math.max(i, j) % 21 === 0 ? glue : 1;
  });
}

/** A product of matrices that is not formed: of vectors with it, and with its transpose. */
export interface Product {
  readonly times: (x: Float64Array) => Float64Array;
  readonly transposedTimes: (y: Float64Array) => Float64Array;
}

export const productOf = (...factors: readonly (readonly [values: Float64Array, columns: number])[]): Product => {
  const sides = factors.map(([values, columns]) => ({ values, columns, rows: values.length / columns }));
  return {
    times: (x) => sides.reduceRight((image, { values, columns }) => multiply(values, image, columns), x),
    transposedTimes: (y) => sides.reduce((image, { values, rows }) => multiply(image, values, rows), y),
  };
};

/** The largest singular value of a matrix of so many columns, from below. */
export function normOf({ times, transposedTimes }: Product, columns: number): number {
  let x = normal(columns, 1);
  let square = 0;
  for (let i = 0; i < 12; ++i) {
    const image = transposedTimes(times(x));
    square = Math.hypot(...image) / Math.hypot(...x);
    if (square === 0) return 0;
    x = image.map((value) => value / square);
  }
  return Math.sqrt(square);
}

const difference = (a: Product, b: Product): Product => {
  const less = (x: Float64Array, y: Float64Array): Float64Array => x.map((value, i) => value - y[i]!);
  return {
    times: (x) => less(a.times(x), b.times(x)),
    transposedTimes: (y) => less(a.transposedTimes(y), b.transposedTimes(y)),
  };
};

/** Throws unless the product of the factors is the matrix to 10·ε·√n of its norm, n its smaller side. */
export function expectResidual(a: Float64Array, columns: number, factors: Product, dtype: Dtype): void {
  const whole = productOf([a, columns]);
  const n = Math.min(columns, a.length / columns);
  const residual = normOf(difference(whole, factors), columns);
  expect(residual).toBeLessThanOrEqual(10 * spacing(1, dtype) * Math.sqrt(n) * normOf(whole, columns));
}

/** Throws unless the columns are orthonormal to 10·ε·√columns in the spectral norm. */
export function expectColumns(q: ArrayLike<number>, columns: number, dtype: Dtype): void {
  const own = Float64Array.from(q);
  const gram = productOf([transposed(own, columns), own.length / columns], [own, columns]);
  const identity: Product = { times: (x) => x, transposedTimes: (x) => x };
  expect(normOf(difference(gram, identity), columns)).toBeLessThanOrEqual(10 * spacing(1, dtype) * Math.sqrt(columns));
}
