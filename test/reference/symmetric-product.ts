import { gemm } from './gemm.ts';

export interface SymmetricProduct {
  batch?: number;
  /** Rows of one matrix a. */
  rows: number;
  columns: number;
  trans?: boolean;
  alpha?: number;
  beta?: number;
  diagonal?: number;
}

/** c = alpha · a bᵀ + beta · c + diagonal · I, or with aᵀ b; of product and c only the lower triangle counts. */
export function symmetricProduct(
  p: SymmetricProduct,
  a: ArrayLike<number>,
  c: ArrayLike<number>,
  b: ArrayLike<number> = a,
): Float64Array {
  const { batch = 1, trans = false, diagonal = 0, alpha = 1, beta = 0 } = p;
  const [n, inner] = trans ? [p.columns, p.rows] : [p.rows, p.columns];
  const out = gemm({ batch, rows: n, columns: n, inner, transA: trans, transB: !trans, alpha, beta }, a, b, c);
  for (let s = 0; s < batch; s++)
    for (let i = 0; i < n; i++) {
      out[(s * n + i) * n + i]! += diagonal;
      for (let j = 0; j < i; j++) out[(s * n + j) * n + i] = out[(s * n + i) * n + j]!;
    }
  return out;
}
