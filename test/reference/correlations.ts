/** x atomsᵀ, for rows of `length` elements. */
export function correlations(x: ArrayLike<number>, atoms: ArrayLike<number>, length: number): Float64Array {
  const [signals, count] = [x.length / length, atoms.length / length];
  return Float64Array.from({ length: signals * count }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < length; j++) sum += x[Math.floor(i / count) * length + j]! * atoms[(i % count) * length + j]!;
    return sum;
  });
}
