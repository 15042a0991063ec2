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
  /** One number a column of c. */
  bias?: ArrayLike<number>;
}

/** alpha · op(a) op(b) + beta · s + bias; beta = 0 does not read s. */
export function gemm(p: Product, a: ArrayLike<number>, b: ArrayLike<number>, s: ArrayLike<number>): Float64Array {
  const { batch = 1, rows, columns, inner, transA, transB, alpha = 1, beta = 0 } = p;
  // Arrays of one kind: the innermost loop is all that takes time.
  const [x, y] = [new Float64Array(a), new Float64Array(b)];
  const out = new Float64Array(batch * rows * columns);
  for (let matrix = 0; matrix < batch; matrix++)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        const left = matrix * rows * inner + (transA ? i : i * inner);
        const right = matrix * inner * columns + (transB ? j * inner : j);
        const [down, across] = [transA ? rows : 1, transB ? 1 : columns];
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += x[left + k * down]! * y[right + k * across]!;
        const at = (matrix * rows + i) * columns + j;
        out[at] = alpha * sum + (beta === 0 ? 0 : beta * s[at]!) + (p.bias ? p.bias[j]! : 0);
      }
  return out;
}
