import { OrthokitError } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { shown } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { SparseCode } from './code.ts';
import { checkMatrix, Dictionary } from './dictionary.ts';

/**
 * The signals of a code: each row the sum of its atoms by their coefficients, `[B, d]`. With a table of other rows in place
 * of the dictionary, the same combinations of those: `rows` `[N, any]` of the code's dtype. Queued; returns at once.
 *
 * @example
 * using approximation = reconstruct(code, dictionary);
 * @throws ERR_ARGUMENT, ERR_SHAPE unless there are as many rows as atoms, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
 */
export function reconstruct(code: SparseCode, rows: Dictionary | Tensor): Tensor {
  const where = 'reconstruct';
  if (!(code instanceof SparseCode))
    throw new OrthokitError('ERR_ARGUMENT', `${where}: code must be a SparseCode, got ${shown(code)}`);
  if (rows instanceof Dictionary) rows.checkAlive(where);
  const x = rows instanceof Dictionary ? rows.atoms : rows;
  checkMatrix(where, 'rows', x);
  if (x.shape[0] !== code.atoms)
    throw new OrthokitError('ERR_SHAPE', `${where}: rows must be as many as atoms, ${code.atoms}, got [${x.shape}]`);
  const { indices, coefficients } = code;
  const out = new Tensor(indices.device, [indices.shape[0]!, x.shape[1]!], coefficients.dtype);
  try {
    ops.combineRows(indices.device, { x, indices, coefficients, out });
  } catch (error) {
    out.dispose();
    throw error;
  }
  return out;
}
