/** outⱼ = Σᵢ xᵢⱼ + beta · outⱼ, where x has as many columns as out has elements. */
export const columnSum = (x: ArrayLike<number>, rows: number, out: ArrayLike<number>, beta = 0): Float64Array =>
  Float64Array.from(out, (old, j) => {
    let sum = beta === 0 ? 0 : beta * old;
    for (let i = 0; i < rows; i++) sum += x[i * out.length + j]!;
    return sum;
  });
