// Small matrices on the host, for values that are known: lists of rows.
export type Rows = readonly Float64Array[];

export const rowsOf = (data: Float64Array, width: number): Float64Array[] =>
  Array.from({ length: data.length / width }, (_, i) => data.subarray(i * width, (i + 1) * width));

export const dot = (x: Float64Array, y: Float64Array): number => x.reduce((sum, a, i) => sum + a * y[i]!, 0);

/** λ I + Σ gᵢ gᵢᵀ / m */
export function fisher(gradients: Rows, damp: number, m = gradients.length): Float64Array[] {
  const d = gradients[0]!.length;
  const out = Array.from({ length: d }, (_, i) => Float64Array.from({ length: d }, (_, j) => (i === j ? damp : 0)));
  for (const g of gradients)
    for (let i = 0; i < d; ++i) {
      const [row, share] = [out[i]!, g[i]! / m];
      for (let j = 0; j < d; ++j) row[j]! += share * g[j]!;
    }
  return out;
}

/** x of a x = b for a positive definite, by Cholesky's factor. */
export function solverOf(a: Rows): (b: Float64Array) => Float64Array {
  const n = a.length;
  const l = a.map((row) => row.slice());
  for (let j = 0; j < n; ++j) {
    const lj = l[j]!;
    for (let i = j; i < n; ++i) {
      const li = l[i]!;
      let sum = li[j]!;
      for (let k = 0; k < j; ++k) sum -= li[k]! * lj[k]!;
      li[j] = i === j ? Math.sqrt(sum) : sum / lj[j]!;
    }
  }
  return (b) => {
    const x = b.slice();
    for (let i = 0; i < n; ++i) {
      for (let k = 0; k < i; ++k) x[i]! -= l[i]![k]! * x[k]!;
      x[i]! /= l[i]![i]!;
    }
    for (let i = n - 1; i >= 0; --i) {
      x[i]! /= l[i]![i]!;
      for (let k = 0; k < i; ++k) x[k]! -= l[i]![k]! * x[i]!;
    }
    return x;
  };
}

/** |x − y| / |y| */
export function relative(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < y.length; ++i) {
    difference += (x[i]! - y[i]!) ** 2;
    size += y[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}
