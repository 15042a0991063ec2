import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { defineOwn } from '../tape/define.ts';
import type { Arg, Value } from '../tape/value.ts';

/**
 * x + rows, where rows may lack leading axes of x: positions, biases. x `[…, ...rest]`, rows `[...rest]`.
 * @throws ERR_SHAPE, ERR_DTYPE
 */
export const addRows: (x: Arg, rows: Arg) => Value = defineOwn('addRows', (f, x: Arg, rows: Arg) => {
  const { device } = f;
  const lacking = x.shape.length - rows.shape.length;
  if (lacking < 0 || rows.shape.some((size, i) => size !== x.shape[lacking + i]))
    throw refusal('addRows', 'rows', `have the last axes of x [${x.shape}]`, `[${rows.shape}]`, 'ERR_SHAPE');
  const width = rows.shape.reduce((product, size) => product * size, 1);
  const count = x.shape.slice(0, lacking).reduce((product, size) => product * size, 1);
  const flat = (t: Arg) => f.view(t, [count, width]);
  const bias = (t: Arg) => f.view(t, [width]);
  const out = f.buffer(x.shape, x.dtype);
  ops.addBias(device, { x: flat(x), bias: bias(rows), out: flat(out) });
  return {
    out,
    inputs: [x, rows],
    backward: (grad, to) => {
      to.add(rows, (dr, beta) => ops.columnSum(device, { x: flat(grad), out: bias(dr), beta }));
      to.pass(x, grad);
    },
    tangent: (d, dout) => {
      const [dx, dr] = [d(x), d(rows)];
      if (dx) ops.copy(device, { x: [dx], out: [dout] });
      else ops.fill(device, { x: [dout], value: 0 });
      if (dr) ops.addBias(device, { x: flat(dout), bias: bias(dr), out: flat(dout) });
    },
  };
});
