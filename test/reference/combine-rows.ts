/** outᵢ = Σₜ coefficientsᵢₜ · x[indicesᵢₜ] for rows of `size` elements, codes of `terms` terms; indices of no row add nothing. */
export function combineRows(
  x: ArrayLike<number>,
  indices: ArrayLike<number>,
  coefficients: ArrayLike<number>,
  size: number,
  terms: number,
): Float64Array {
  const rows = terms === 0 ? 0 : indices.length / terms;
  const out = new Float64Array(rows * size);
  for (let i = 0; i < rows; i++)
    for (let t = i * terms; t < (i + 1) * terms; t++)
      for (let j = 0; j < size; j++)
        if (indices[t]! >= 0) out[i * size + j]! += coefficients[t]! * (x[indices[t]! * size + j] ?? 0);
  return out;
}
