import { type Dtype, isFloating } from '../../core/dtypes.ts';
import { refusal, shown } from '../../core/errors.ts';
import { type Arg, defineOwn, linearMap, type Value } from '../tape/define.ts';

/** The elements in a floating dtype. Gradients come back in that of x. @throws ERR_DTYPE for another */
export const cast: (x: Arg, dtype: Dtype) => Value = defineOwn(
  'cast',
  (f, x: Arg, dtype: Dtype) => {
    if (!isFloating(dtype)) throw refusal('cast', 'dtype', 'be floating', shown(dtype), 'ERR_DTYPE');
    return linearMap(f, f.buffer(x.shape, dtype), x, (v, to) => f.ops.cast({ x: [v], out: [to] }));
  },
  ['x'],
);
