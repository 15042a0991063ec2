import { ops } from '../../core/native-ops.ts';
import { defineSymmetric, type Symmetric } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** Softmax over the last axis. */
export const softmax: (x: Arg) => Value = defineSymmetric('softmax', (f, x) => {
  const out = f.buffer(x.shape, x.dtype);
  ops.rowSoftmax(f.device, { x: tensorOf(x), out });
  const times: Symmetric['times'] = (v, to, beta) =>
    ops.rowSoftmaxBackward(f.device, { grad: v, y: out, out: to, beta });
  return { out, times, over: true, adds: true };
});
