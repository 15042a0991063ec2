const rankTolerance = 1e-12;

/**
 * Solves the square system A·x = b, row-major, by elimination with full pivoting; overwrites both. Unknowns that the
 * system leaves open, as duplicate neighbours do, are 0.
 */
export function solve(a: Float64Array, b: Float64Array): Float64Array<ArrayBuffer> {
  const n = b.length;
  const order = Int32Array.from({ length: n }, (_, i) => i);
  let rank = n;
  let largest = 0;
  for (let step = 0; step < n; step += 1) {
    let [row, column, most] = [step, step, 0];
    for (let i = step; i < n; i += 1) {
      for (let j = step; j < n; j += 1) {
        const size = Math.abs(a[i * n + j] ?? 0);
        if (size > most) [row, column, most] = [i, j, size];
      }
    }
    largest = Math.max(largest, most);
    if (most <= rankTolerance * largest) {
      rank = step;
      break;
    }
    swapRows(a, b, n, step, row);
    swapColumns(a, order, n, step, column);
    const pivot = a[step * n + step] ?? 1;
    for (let i = step + 1; i < n; i += 1) {
      const factor = (a[i * n + step] ?? 0) / pivot;
      if (factor === 0) continue;
      for (let j = step; j < n; j += 1) a[i * n + j]! -= factor * (a[step * n + j] ?? 0);
      b[i]! -= factor * (b[step] ?? 0);
    }
  }
  const x = new Float64Array(n);
  for (let i = rank - 1; i >= 0; i -= 1) {
    let sum = b[i] ?? 0;
    for (let j = i + 1; j < rank; j += 1) sum -= (a[i * n + j] ?? 0) * (x[order[j] ?? 0] ?? 0);
    x[order[i] ?? 0] = sum / (a[i * n + i] ?? 1);
  }
  return x;
}

function swapRows(a: Float64Array, b: Float64Array, n: number, i: number, j: number): void {
  if (i === j) return;
  for (let column = 0; column < n; column += 1)
    [a[i * n + column], a[j * n + column]] = [a[j * n + column] ?? 0, a[i * n + column] ?? 0];
  [b[i], b[j]] = [b[j] ?? 0, b[i] ?? 0];
}

function swapColumns(a: Float64Array, order: Int32Array, n: number, i: number, j: number): void {
  if (i === j) return;
  for (let row = 0; row < n; row += 1) [a[row * n + i], a[row * n + j]] = [a[row * n + j] ?? 0, a[row * n + i] ?? 0];
  [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
}
