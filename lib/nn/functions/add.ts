import { ops } from '../../core/native-ops.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

const combined = (name: string, factor: 1 | -1) =>
  defineOwn(name, (f, x: Arg, y: Arg) => {
    const { device } = f;
    const out = f.buffer(x.shape, x.dtype);
    ops.linearCombination(device, { out: [out], terms: [tensorOf(x), tensorOf(y)], coefficients: [1, factor] });
    return {
      out,
      inputs: [x, y],
      backward: (grad, to) => {
        if (factor === 1) to.pass(y, grad);
        else to.set(y, (dy) => ops.linearCombination(device, { out: [dy], terms: [grad], coefficients: [-1] }));
        to.pass(x, grad);
      },
      tangent: (d, dout) => {
        const [dx, dy] = [d(x), d(y)];
        const terms = [dx, dy].filter((term) => term !== undefined);
        const coefficients = [...(dx ? [1] : []), ...(dy ? [factor] : [])];
        ops.linearCombination(device, { out: [dout], terms, coefficients });
      },
    };
  });

/** x + y, of one shape. @throws ERR_SHAPE, ERR_DTYPE */
export const add: (x: Arg, y: Arg) => Value = combined('add', 1);
/** x − y, of one shape. @throws ERR_SHAPE, ERR_DTYPE */
export const subtract: (x: Arg, y: Arg) => Value = combined('subtract', -1);
