/** outᵢ = factor · xᵢ */
export const scaleEach = (x: ArrayLike<number>, factor: number): Float64Array =>
  Float64Array.from(x, (value) => factor * value);
