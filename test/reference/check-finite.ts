/** Number of tensors that hold a NaN or an infinity. */
export const checkFinite = (x: readonly ArrayLike<number>[]): number =>
  x.filter((values) => !Array.from(values).every(Number.isFinite)).length;
