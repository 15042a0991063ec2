import type { Tensor } from '../../core/tensor.ts';
import { defineOwn, ruleOf } from '../tape/define.ts';
import type { Arg, Value } from '../tape/value.ts';

/** The same elements under another shape. @throws ERR_SHAPE unless it holds as many */
export const reshape: (x: Arg, shape: readonly number[]) => Value = defineOwn(
  'reshape',
  (f, x: Arg, shape: readonly number[]) => {
    const view = f.view(x, shape);
    const out = f.buffer(view.shape, x.dtype);
    const back = (v: Tensor, to: Tensor) => f.ops.copy({ x: [f.view(v, to.shape)], out: [to] });
    back(view, out);
    return ruleOf(f, out, { x, back });
  },
);
