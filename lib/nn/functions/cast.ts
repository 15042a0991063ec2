import { type Dtype, isFloating } from '../../core/dtypes.ts';
import { refusal, shown } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineOwn, ruleOf } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** The elements in a floating dtype. Gradients come back in that of x. @throws ERR_DTYPE for another */
export const cast: (x: Arg, dtype: Dtype) => Value = defineOwn('cast', (f, x: Arg, dtype: Dtype) => {
  if (!isFloating(dtype)) throw refusal('cast', 'dtype', 'be floating', shown(dtype), 'ERR_DTYPE');
  const out = f.buffer(x.shape, dtype);
  const back = (v: Tensor, to: Tensor) => f.ops.cast({ x: [v], out: [to] });
  back(tensorOf(x), out);
  return ruleOf(f, out, { x, back });
});
