const nearLargest = 0.9;

/** 1 or −1: the first entry of nine tenths of the size of the largest is made positive. */
function signOf(x: readonly number[]): number {
  const largest = Math.max(...x.map(Math.abs));
  return (x.find((v) => Math.abs(v) >= nearLargest * largest) ?? 1) < 0 ? -1 : 1;
}

/**
 * Singular vectors of a rows × columns matrix, largest singular value first: as many as its shorter side has, `left` or
 * right ones (one-sided Jacobi). Those of zeros are the axes.
 */
export function singularVectors(x: Float64Array, rows: number, columns: number, left: boolean): number[][] {
  const ofShorter = rows < columns === left || rows === columns;
  const isTall = rows > columns || (rows === columns && !left);
  const [count, length] = isTall ? [columns, rows] : [rows, columns];
  const long = Array.from({ length: count }, (_, i) =>
    Array.from({ length }, (_, j) => x[isTall ? j * columns + i : i * columns + j]!),
  );
  const short = long.map((_, i) => long.map((_, j) => (i === j ? 1 : 0)));
  const dot = (a: number[], b: number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  for (let sweep = 0, rotated = true; rotated && sweep < 60; ++sweep) {
    rotated = false;
    for (let i = 0; i < count; ++i)
      for (let j = i + 1; j < count; ++j) {
        const [p, q, r] = [dot(long[i]!, long[i]!), dot(long[j]!, long[j]!), dot(long[i]!, long[j]!)];
        if (Math.abs(r) <= 1e-16 * Math.sqrt(p * q)) continue;
        rotated = true;
        const zeta = (q - p) / (2 * r);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        for (const vectors of [long, short]) {
          const [a, b] = [vectors[i]!, vectors[j]!];
          vectors[i] = a.map((v, k) => c * (v - t * b[k]!));
          vectors[j] = b.map((v, k) => c * (v + t * a[k]!));
        }
      }
  }
  const norms = long.map((v) => Math.sqrt(dot(v, v)));
  const order = norms.map((_, i) => i).sort((i, j) => norms[j]! - norms[i]! || i - j);
  const axis = (i: number): number[] => Array.from({ length }, (_, k) => (k === i ? 1 : 0));
  const unit = (i: number): number[] => (norms[i] === 0 ? axis(i) : long[i]!.map((v) => v / norms[i]!));
  return order.map((i) => (ofShorter ? short[i]! : unit(i))).map((v) => v.map((entry) => signOf(v) * entry));
}
