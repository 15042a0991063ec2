import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Tensor } from '../core/tensor.ts';
import { SparseCode } from './code.ts';

/** Elements that a 32-bit index reaches. */
const mostElements = 2 ** 31 - 1;

/**
 * The code as a matrix `[B, N]` with a column an atom, mostly zeros: what scikit-learn calls the coefficients.
 *
 * @example
 * using dense = await toDense(code);
 * @throws ERR_ARGUMENT; ERR_SHAPE for more than 2^31 − 1 elements; ERR_MEMORY; ERR_DISPOSED
 */
export async function toDense<D extends 'f32' | 'f64'>(code: SparseCode<D>): Promise<Tensor<D>> {
  const where = 'toDense';
  check.instance(where, 'code', code, SparseCode);
  const { indices, coefficients, atoms } = code;
  const { device } = indices;
  const [signals, k] = indices.shape as readonly [number, number];
  if (signals * atoms > mostElements)
    throw refusal(where, 'signals times atoms', 'be at most 2^31 - 1', `${signals} times ${atoms}`, 'ERR_SHAPE');
  using values = coefficients.reshape([signals * k]);
  const places = await indices.read();
  // −1, an unused place, stays what no scatter writes to.
  for (let i = 0; i < places.length; ++i) if (places[i]! >= 0) places[i]! += Math.floor(i / k) * atoms;
  using index = Tensor.from(device, places, [signals * k]);
  return filled(Tensor.zeros(device, [signals, atoms], { dtype: coefficients.dtype }), (dense) => {
    using flat = dense.reshape([signals * atoms]);
    ops.scatterRows(device, { out: flat, index, x: values, mode: 'set' });
  });
}
