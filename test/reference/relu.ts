/** x > 0 ? x : 0, with NaN kept. */
export const relu = (x: ArrayLike<number>): Float64Array =>
  Float64Array.from(x, (a) => (a > 0 || Number.isNaN(a) ? a : 0));
