import { type Dtype, isFloating } from '../../core/dtypes.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineSymmetric } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** The elements in a floating dtype. Gradients come back in that of x. @throws ERR_DTYPE for another */
export const cast: (x: Arg, dtype: Dtype) => Value = defineSymmetric('cast', (f, x, dtype: Dtype) => {
  const { device } = f;
  if (!isFloating(dtype)) throw refusal('cast', 'dtype', 'be floating', shown(dtype), 'ERR_DTYPE');
  const out = f.buffer(x.shape, dtype);
  const times = (v: Tensor, to: Tensor) => ops.cast(device, { x: [v], out: [to] });
  times(tensorOf(x), out);
  return { out, times };
});
