// The system solved directly, where the op iterates.

/** Gaussian elimination with the largest pivot of each column. */
export function solveDense(matrix: Float64Array, right: Float64Array): Float64Array {
  const n = right.length;
  const [a, x] = [Float64Array.from(matrix), Float64Array.from(right)];
  const swap = (y: Float64Array, i: number, j: number): void => {
    [y[i], y[j]] = [y[j]!, y[i]!];
  };
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(a[i * n + k]!) > Math.abs(a[pivot * n + k]!)) pivot = i;
    for (let j = 0; j < n; j++) swap(a, k * n + j, pivot * n + j);
    swap(x, k, pivot);
    for (let i = k + 1; i < n; i++) {
      const factor = a[i * n + k]! / a[k * n + k]!;
      for (let j = k; j < n; j++) a[i * n + j]! -= factor * a[k * n + j]!;
      x[i]! -= factor * x[k]!;
    }
  }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = k + 1; j < n; j++) x[k]! -= a[k * n + j]! * x[j]!;
    x[k]! /= a[k * n + k]!;
  }
  return x;
}

/** (D − P C⁻¹ Pᵀ) d = r − s, of a dense P; d has no mean, and the gain of the model without shift is beside it. */
export function sparseNewtonStep(
  plan: Float64Array,
  r: Float64Array,
  s: Float64Array,
  c: Float64Array,
  shift: number,
): { step: Float64Array; gain: number } {
  const [n, m] = [r.length, c.length];
  const through = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++)
      for (let j = 0; j < m; j++) through[i * n + k]! += (plan[i * m + j]! * plan[k * m + j]!) / c[j]!;
  const system = through.map((x, at) => {
    const i = Math.floor(at / n);
    return (at % n === i ? s[i]! + shift * Math.max(s[i]!, r[i]!) : 0) - x;
  });
  const gradient = r.map((x, i) => x - s[i]!);
  const solution = solveDense(system, gradient);
  const mean = solution.reduce((a, b) => a + b, 0) / n;
  const step = solution.map((x) => x - mean);
  let gain = 0;
  for (let i = 0; i < n; i++) {
    let product = s[i]! * step[i]!;
    for (let k = 0; k < n; k++) product -= through[i * n + k]! * step[k]!;
    gain += gradient[i]! * step[i]! - 0.5 * step[i]! * product;
  }
  return { step, gain };
}
