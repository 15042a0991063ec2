// The degree of Taylor's polynomial of the exponential, known before it is taken.

/** Features that no degree may exceed. */
export const mostFeatures: number = 2 ** 20;

/** Monomials of up to a degree in some variables: C(width + degree, degree). */
export function featuresOf(width: number, degree: number): number {
  let count = 1;
  for (let j = 1; j <= degree; ++j) count = (count * (width + j)) / j;
  return Math.round(count);
}

/** A polynomial that is good enough. */
export interface Certificate {
  readonly degree: number;
  readonly features: number;
  /** Bound of the relative error of each exponential. */
  readonly errorBound: number;
}

/** Steps of rounding in a monomial's value, for each degree. */
const roundings = 8;

/**
 * The lowest degree whose error is within `tol` and whose features are within `limit`; undefined where there is none.
 * For |s| up to `most` the relative error of exp(s) is up to mostᵍ⁺¹ / (g + 1)! · exp(most), g the degree. To that
 * rounding to a `unit` comes: terms up to exp(most) make a sum down to exp(−most). A constant has none.
 */
export function certificateOf(
  most: number,
  width: number,
  tol: number,
  limit: number,
  unit: number,
): Certificate | undefined {
  // In logarithms: powers and factorials leave the range of numbers before their quotient does.
  let log = most;
  let features = 1;
  for (let degree = 0; features <= limit; ++degree) {
    log += Math.log(most) - Math.log(degree + 1);
    const rounding = degree === 0 ? 0 : roundings * degree * unit * Math.exp(2 * most);
    if (!(rounding <= tol)) return undefined;
    const errorBound = Math.exp(log) + rounding;
    if (errorBound <= tol) return { degree, features, errorBound };
    features = Math.round((features * (width + degree + 1)) / (degree + 1));
  }
  return undefined;
}
