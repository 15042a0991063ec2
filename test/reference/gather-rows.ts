/** outᵢ = x[indexᵢ] in rows of `size` elements; `outside` where there is no such row. */
export const gatherRows = (
  x: ArrayLike<number>,
  index: ArrayLike<number>,
  size: number,
  outside: number,
): Float64Array =>
  Float64Array.from({ length: index.length * size }, (_, i) => {
    const row = index[Math.floor(i / size)]!;
    return row >= 0 ? (x[row * size + (i % size)] ?? outside) : outside;
  });
