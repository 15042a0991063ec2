import { ops } from '../../core/native-ops.ts';
import { defineOwn } from '../tape/define.ts';
import type { Arg, Value } from '../tape/value.ts';

/** The same elements under another shape. @throws ERR_SHAPE unless it holds as many */
export const reshape: (x: Arg, shape: readonly number[]) => Value = defineOwn(
  'reshape',
  (f, x: Arg, shape: readonly number[]) => {
    const { device } = f;
    const view = f.view(x, shape);
    const out = f.buffer(view.shape, x.dtype);
    ops.copy(device, { x: [view], out: [out] });
    return {
      out,
      inputs: [x],
      backward: (grad, to) => to.set(x, (dx) => ops.copy(device, { x: [f.view(grad, x.shape)], out: [dx] })),
      tangent: (d, dout) => ops.copy(device, { x: [f.view(d(x)!, shape)], out: [dout] }),
    };
  },
);
