import { type Arg, defineSymmetric, type Value } from '../tape/define.ts';

/** Softmax over the last axis. */
export const softmax: (x: Arg) => Value = defineSymmetric('softmax', false, (f, x, out) => {
  f.ops.rowSoftmax({ x, out });
  return (grad, to, beta) => f.ops.rowSoftmaxBackward({ grad, y: out, out: to, beta });
});
