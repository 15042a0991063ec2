/**
 * Eigenvalues of the symmetric tridiagonal matrix of this diagonal and what stands beside it, ascending, and the
 * squares of the first elements of their eigenvectors. Implicit QL (EISPACK's `tql2`, of which only the first row is
 * kept).
 */
export function tridiagonalEigen(
  diagonal: Float64Array,
  beside: Float64Array,
): { readonly values: Float64Array; readonly weights: Float64Array } {
  const n = diagonal.length;
  // Scaled by a power of two near 1, so that no square is beyond the range of numbers.
  const most = beside.reduce((one, x) => Math.max(one, Math.abs(x)), diagonal.reduce((one, x) => Math.max(one, Math.abs(x)), 0)); // biome-ignore format: one line
  const unit = most > 0 && most < Infinity ? 2 ** Math.max(-1022, Math.min(1022, Math.floor(Math.log2(most)))) : 1;
  const d = diagonal.map((x) => x / unit);
  const e = new Float64Array(n);
  for (let i = 0; i < n - 1; ++i) e[i] = beside[i]! / unit;
  const first = new Float64Array(n);
  if (n > 0) first[0] = 1;
  for (let l = 0; l < n; ++l) {
    for (let sweeps = 0; sweeps < 60; ++sweeps) {
      let m = l;
      while (m < n - 1 && Math.abs(e[m]!) > 2 ** -52 * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))) ++m;
      if (m === l) break;
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      let r = Math.sqrt(g * g + 1);
      g = d[m]! - d[l]! + e[l]! / (g + (g < 0 ? -r : r));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; --i) {
        const [f, b] = [s * e[i]!, c * e[i]!];
        r = Math.sqrt(f * f + g * g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1]! -= p;
          e[m] = 0;
          break;
        }
        [s, c] = [f / r, g / r];
        g = d[i + 1]! - p;
        r = (d[i]! - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        const x = first[i + 1]!;
        first[i + 1] = s * first[i]! + c * x;
        first[i] = c * first[i]! - s * x;
      }
      if (r === 0 && i >= l) continue;
      d[l]! -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
  const order = Array.from(d.keys()).sort((i, j) => d[i]! - d[j]!);
  return {
    values: Float64Array.from(order, (i) => unit * d[i]!),
    weights: Float64Array.from(order, (i) => first[i]! ** 2),
  };
}
