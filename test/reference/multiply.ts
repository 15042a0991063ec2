/** out = x ⊙ y for one tensor. */
export const multiply = (x: ArrayLike<number>, y: ArrayLike<number>): Float64Array =>
  Float64Array.from(x, (a, i) => a * y[i]!);
