/** x / y, element by element. */
export const divide = (x: ArrayLike<number>, y: ArrayLike<number>): Float64Array =>
  Float64Array.from(x, (value, i) => value / y[i]!);
