/** x > 0 ? grad : 0. */
export const reluBackward = (grad: ArrayLike<number>, x: ArrayLike<number>): Float64Array =>
  Float64Array.from(grad, (g, i) => (x[i]! > 0 ? g : 0));
