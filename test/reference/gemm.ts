export interface Product {
  batch?: number;
  /** c is rows × columns, `inner` the side that is summed over. */
  rows: number;
  columns: number;
  inner: number;
  transA?: boolean;
  transB?: boolean;
  alpha?: number;
  beta?: number;
}

/** c = alpha · op(a) op(b) + beta · c; beta = 0 does not read c. */
export function gemm(p: Product, a: ArrayLike<number>, b: ArrayLike<number>, c: ArrayLike<number>): Float64Array {
  const { batch = 1, rows, columns, inner, transA, transB, alpha = 1, beta = 0 } = p;
  const out = new Float64Array(batch * rows * columns);
  for (let s = 0; s < batch; s++)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) {
          const x = a[s * rows * inner + (transA ? k * rows + i : i * inner + k)]!;
          const y = b[s * inner * columns + (transB ? j * inner + k : k * columns + j)]!;
          sum += x * y;
        }
        const at = (s * rows + i) * columns + j;
        out[at] = alpha * sum + (beta === 0 ? 0 : beta * c[at]!);
      }
  return out;
}
