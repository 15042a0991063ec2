import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** x ⊙ y, of one shape. @throws ERR_SHAPE, ERR_DTYPE */
export const multiply: (x: Arg, y: Arg) => Value = defineOwn('multiply', (f, x: Arg, y: Arg) => {
  const { device } = f;
  const [a, b] = [tensorOf(x), tensorOf(y)];
  const times = (u: Tensor, v: Tensor, out: Tensor) => ops.multiply(device, { x: [u], y: [v], out: [out] });
  const out = f.buffer(x.shape, x.dtype);
  times(a, b, out);
  return {
    out,
    inputs: [x, y],
    backward: (grad, to) => {
      to.set(x, (dx) => times(grad, b, dx));
      to.set(y, (dy) => times(grad, a, dy));
    },
    tangent: (d, dout) => {
      const [dx, dy] = [d(x), d(y)];
      if (dx) times(dx, b, dout);
      if (!dy) return;
      const part = dx ? f.scratch(dout.shape, dout.dtype) : dout;
      times(a, dy, part);
      if (dx) ops.linearCombination(device, { out: [dout], terms: [dout, part], coefficients: [1, 1] });
    },
  };
});
