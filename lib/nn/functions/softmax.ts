import { ops } from '../../core/native-ops.ts';
import { defineSymmetric, type Symmetric } from '../tape/define.ts';
import type { Arg, Value } from '../tape/value.ts';

/** Softmax over the last axis. */
export const softmax: (x: Arg) => Value = defineSymmetric('softmax', (f, x) => {
  const out = f.buffer(x.shape, x.dtype);
  const y = f.rows(out);
  ops.rowSoftmax(f.device, { x: f.rows(x), out: y });
  const times: Symmetric['times'] = (v, to) =>
    ops.rowSoftmaxBackward(f.device, { grad: f.rows(v), y, out: f.rows(to) });
  return { out, times, over: true };
});
