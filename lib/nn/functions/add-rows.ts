import { ops } from '../../core/native-ops.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/**
 * x + rows, where rows may lack leading axes of x: positions, biases. x `[…, ...rest]`, rows `[...rest]`.
 * @throws ERR_SHAPE, ERR_DTYPE
 */
export const addRows: (x: Arg, rows: Arg) => Value = defineOwn('addRows', (f, x: Arg, rows: Arg) => {
  const { device } = f;
  const out = f.buffer(x.shape, x.dtype);
  ops.addBias(device, { x: tensorOf(x), bias: tensorOf(rows), out });
  return {
    out,
    inputs: [x, rows],
    backward: (grad, to) => {
      to.add(rows, (dr, beta) => ops.columnSum(device, { x: grad, out: dr, beta }));
      to.pass(x, grad);
    },
    tangent: (d, dout) => {
      const [dx, dr] = [d(x), d(rows)];
      if (dx) ops.copy(device, { x: [dx], out: [dout] });
      else ops.fill(device, { x: [dout], value: 0 });
      if (dr) ops.addBias(device, { x: dout, bias: dr, out: dout });
    },
  };
});
