import * as check from '../core/check.ts';
import type { Dtype } from '../core/dtypes.ts';
import { ops } from '../core/native-ops.ts';
import type { LinearOperator } from '../core/operator.ts';
import type { Tensor } from '../core/tensor.ts';

/** The matrix of a dense one on its device. */
export interface MatrixOperator<D extends Dtype = Dtype> extends LinearOperator<D> {
  /** out = A x, where x is `[n]` and out `[m]`. Queued. */
  apply(x: Tensor, out: Tensor): void;
  /** out = Aᵀ y, where y is `[m]` and out `[n]`. Queued. */
  adjoint(y: Tensor, out: Tensor): void;
}

const matrices = new WeakMap<object, Tensor>();

/** The matrix of an operator of {@link matrixOperator}; copies with functions of their own have none. */
export const matrixOf = (operator: LinearOperator): Tensor | undefined => matrices.get(operator);

/**
 * A matrix that is there as such, as an operator. It is used, not copied, and stays the caller's. `lanczos` takes many
 * steps on it in one call of its device.
 *
 * @param matrix `[m, n]`, f32 or f64.
 * @example
 * const { ritz } = await lanczos(matrixOperator(symmetric), { steps: 60 });
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED for what is no such matrix; so do products for vectors that
 * do not fit
 */
export function matrixOperator<D extends Dtype>(matrix: Tensor<D>): MatrixOperator<D> {
  const where = 'matrixOperator';
  check.tensor(where, 'matrix', matrix, { shape: [undefined, undefined], dtypes: check.arithmetic, filled: true });
  const { device, dtype } = matrix;
  const [m, n] = matrix.shape as [number, number];
  const multiply = (name: string, sizes: readonly [number, number], x: Tensor, out: Tensor): void => {
    const own = `${where}.${name}`;
    check.tensor(own, 'x', x, { shape: [sizes[1]], dtypes: [dtype], device });
    check.tensor(own, 'out', out, { shape: [sizes[0]], dtypes: [dtype], device });
    using b = x.reshape([sizes[1], 1]);
    using c = out.reshape([sizes[0], 1]);
    ops.gemm(device, { a: matrix, b, c, transA: name === 'adjoint' ? 'transposed' : 'none' });
  };
  const operator: MatrixOperator<D> = {
    device,
    dtype,
    shape: [m, n],
    apply: (x, out) => multiply('apply', [m, n], x, out),
    adjoint: (y, out) => multiply('adjoint', [n, m], y, out),
  };
  matrices.set(operator, matrix);
  return Object.freeze(operator); // another apply would not be asked
}
