import { defineOwn, type Product, ruleOf } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** Softmax over the last axis. */
export const softmax: (x: Arg) => Value = defineOwn('softmax', (f, x: Arg) => {
  const out = f.buffer(x.shape, x.dtype);
  f.ops.rowSoftmax({ x: tensorOf(x), out });
  const back: Product = (grad, to, beta) => f.ops.rowSoftmaxBackward({ grad, y: out, out: to, beta });
  return ruleOf(f, out, { x, back, over: true, adds: 'both' });
});
