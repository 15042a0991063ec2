/** outᵢⱼ = xᵢⱼ + biasⱼ. */
export const addBias = (x: ArrayLike<number>, bias: ArrayLike<number>): Float64Array =>
  Float64Array.from(x, (a, i) => a + bias[i % bias.length]!);
