import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { ops } from '../core/native-ops.ts';
import { Tensor } from '../core/tensor.ts';
import { SparseCode } from './code.ts';
import { Dictionary } from './dictionary.ts';

/**
 * The signals of a code: each row the sum of its atoms by their coefficients, `[B, d]`. With a table of other rows in
 * place of the dictionary, the same combinations of those: `rows` `[N, any]` of the code's dtype. Queued; returns at
 * once.
 *
 * @example
 * using approximation = reconstruct(code, dictionary);
 * @throws ERR_ARGUMENT, ERR_SHAPE unless there are as many rows as atoms, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
 */
export function reconstruct<D extends 'f32' | 'f64'>(code: SparseCode<D>, rows: Dictionary | Tensor): Tensor<D> {
  const where = 'reconstruct';
  check.instance(where, 'code', code, SparseCode);
  if (rows instanceof Dictionary) check.alive(where, 'dictionary', rows);
  const x = rows instanceof Dictionary ? rows.atoms : rows;
  check.tensor(where, 'rows', x, {
    dtypes: check.floating,
    shape: [code.atoms, undefined],
    shapeIs: `be as many as atoms, ${code.atoms}`,
  });
  const { indices, coefficients } = code;
  return filled(new Tensor(indices.device, [indices.shape[0]!, x.shape[1]!], coefficients.dtype), (out) => {
    ops.combineRows(indices.device, { x, indices, coefficients, out });
  });
}
