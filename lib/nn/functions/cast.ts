import { type Dtype, isFloating } from '../../core/dtypes.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** The elements in a floating dtype. Gradients come back in that of x. @throws ERR_DTYPE for another */
export const cast: (x: Arg, dtype: Dtype) => Value = defineOwn('cast', (f, x: Arg, dtype: Dtype) => {
  const { device } = f;
  if (!isFloating(dtype)) throw refusal('cast', 'dtype', 'be floating', shown(dtype), 'ERR_DTYPE');
  const out = f.buffer(x.shape, dtype);
  ops.cast(device, { x: [tensorOf(x)], out: [out] });
  return {
    out,
    inputs: [x],
    backward: (grad, to) => to.set(x, (dx) => ops.cast(device, { x: [grad], out: [dx] })),
    tangent: (d, dout) => ops.cast(device, { x: [d(x)!], out: [dout] }),
  };
});
