import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineOwn } from '../tape/define.ts';
import type { Arg, Value } from '../tape/value.ts';

/** Softmax over the last axis. */
export const softmax: (x: Arg) => Value = defineOwn('softmax', (f, x: Arg) => {
  const out = f.buffer(x.shape, x.dtype);
  const y = f.rows(out);
  ops.rowSoftmax(f.device, { x: f.rows(x), out: y });
  // The Jacobian is symmetric: the way back is the way of tangents.
  const times = (v: Tensor, to: Tensor) => ops.rowSoftmaxBackward(f.device, { grad: f.rows(v), y, out: f.rows(to) });
  return {
    out,
    inputs: [x],
    backward: (grad, to) => to.set(x, (dx) => times(grad, dx), true),
    tangent: (d, dout) => times(d(x)!, dout),
  };
});
