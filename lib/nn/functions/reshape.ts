import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineSymmetric } from '../tape/define.ts';
import type { Arg, Value } from '../tape/value.ts';

/** The same elements under another shape. @throws ERR_SHAPE unless it holds as many */
export const reshape: (x: Arg, shape: readonly number[]) => Value = defineSymmetric(
  'reshape',
  (f, x, shape: readonly number[]) => {
    const { device } = f;
    const view = f.view(x, shape);
    const out = f.buffer(view.shape, x.dtype);
    const times = (v: Tensor, to: Tensor) => ops.copy(device, { x: [f.view(v, to.shape)], out: [to] });
    times(view, out);
    return { out, times };
  },
);
