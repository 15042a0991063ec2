/** exp(xⱼ − max) / Σ exp(xₖ − max) of one row. */
export function softmax(row: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(row);
  const max = x.reduce((a, b) => Math.max(a, b), -Infinity);
  const exps = x.map((a) => Math.exp(a - max));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => e / sum);
}

/** A function of every row, put together again. */
export function byRows(x: ArrayLike<number>, columns: number, f: (row: Float64Array, i: number) => Float64Array) {
  const out = Float64Array.from(x);
  for (let i = 0; (i + 1) * columns <= out.length && columns > 0; i++) {
    const row = out.subarray(i * columns, (i + 1) * columns);
    row.set(f(row.slice(), i));
  }
  return out;
}

export const rowSoftmax = (x: ArrayLike<number>, columns: number): Float64Array => byRows(x, columns, softmax);
