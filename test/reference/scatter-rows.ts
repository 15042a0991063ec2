/** out[indexᵢ] += xᵢ, or = xᵢ, row by row in order; an index outside is passed over. */
export function scatterRows(
  out: Float64Array,
  index: readonly number[],
  x: Float64Array,
  size: number,
  mode: 'add' | 'set',
): Float64Array {
  const result = out.slice();
  for (const [i, row] of index.entries())
    for (let j = 0; j < size; j++) {
      const at = row * size + j;
      if (row >= 0 && at < out.length) result[at] = (mode === 'add' ? result[at]! : 0) + x[i * size + j]!;
    }
  return result;
}
