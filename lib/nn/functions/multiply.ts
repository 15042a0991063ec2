import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineOwn, ruleOf, tensorOf, type Value } from '../tape/define.ts';

/** x ⊙ y, of one shape. @throws ERR_SHAPE, ERR_DTYPE */
export const multiply: (x: Arg, y: Arg) => Value = defineOwn(
  'multiply',
  (f, x: Arg, y: Arg) => {
    const out = f.buffer(x.shape, x.dtype);
    const by = (factor: Arg) => (v: Tensor, to: Tensor) => f.ops.multiply({ x: [v], y: [tensorOf(factor)], out: [to] });
    by(y)(tensorOf(x), out);
    return ruleOf(f, out, { x, back: by(y) }, { x: y, back: by(x) });
  },
  ['x', 'y'],
);
