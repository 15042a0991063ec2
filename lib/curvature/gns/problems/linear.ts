// Problems of a·x − b: checks of the data, and products with a.
import * as check from '../../../core/check.ts';
import { refusal } from '../../../core/errors.ts';
import { ops } from '../../../core/native-ops.ts';
import { isListOf } from '../../../core/options.ts';
import { type Option, required } from '../../../core/schema.ts';
import { isTensor, type Tensor } from '../../../core/tensor.ts';

/** The option `params` of a problem: a list of one tensor. */
export const paramsOption: Option<readonly Tensor[]> = required({
  default: [] as readonly Tensor[],
  wrong: (x) => (isListOf(x, isTensor) && x.length === 1 ? undefined : 'must be a list of one Tensor'),
});

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED unless a is [m, n], b [m] and x [n] */
export function checkSystem(where: string, a: Tensor, b: Tensor, x: Tensor): void {
  check.tensor(where, 'a', a, { rank: 2, filled: true, dtypes: check.arithmetic });
  const { device, dtype } = a;
  check.tensor(where, 'b', b, { shape: [a.shape[0]], dtypes: [dtype], device });
  check.tensor(where, 'params[0]', x, { shape: [a.shape[1]], dtypes: [dtype], device });
}

/** out = a·x */
export function multiply(a: Tensor, x: Tensor, out: Tensor, transA: 'none' | 'transposed' = 'none', alpha = 1): void {
  using b = x.reshape([x.size, 1]);
  using c = out.reshape([out.size, 1]);
  ops.gemm(a.device, { a, b, c, transA, alpha });
}

/** @throws ERR_ARGUMENT */
export const atLeast = (where: string, name: string, value: number, least: number): void => {
  if (!(value >= least)) throw refusal(where, name, `be at least ${least}`, value);
};
