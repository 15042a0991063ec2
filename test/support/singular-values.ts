/** Singular values of a rows × columns matrix, largest first (one-sided Jacobi). */
export function singularValues(x: ArrayLike<number>, rows: number, columns: number): number[] {
  // Vectors of the shorter side, made orthogonal to each other by rotations.
  const byRows = rows <= columns;
  const [count, length] = byRows ? [rows, columns] : [columns, rows];
  const vectors = Array.from({ length: count }, (_, i) =>
    Float64Array.from({ length }, (_, j) => (byRows ? x[i * columns + j]! : x[j * columns + i]!)),
  );
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  for (let sweep = 0, rotated = true; rotated && sweep < 60; sweep++) {
    rotated = false;
    for (let i = 0; i < count; i++)
      for (let j = i + 1; j < count; j++) {
        const [a, b] = [vectors[i]!, vectors[j]!];
        const [p, q, r] = [dot(a, a), dot(b, b), dot(a, b)];
        if (Math.abs(r) <= 1e-15 * Math.sqrt(p * q)) continue;
        rotated = true;
        const zeta = (q - p) / (2 * r);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        for (let k = 0; k < length; k++) {
          const [u, v] = [a[k]!, b[k]!];
          a[k] = c * (u - t * v);
          b[k] = c * (v + t * u);
        }
      }
  }
  return vectors.map((v) => Math.sqrt(dot(v, v))).sort((a, b) => b - a);
}
