/** outⱼᵢ = xᵢⱼ, of each matrix of a batch. */
export const transpose = (x: ArrayLike<number>, rows: number, columns: number): Float64Array =>
  Float64Array.from(x, (_, at) => {
    const size = rows * columns;
    const within = at % size;
    return x[at - within + (within % rows) * columns + Math.floor(within / rows)]!;
  });
