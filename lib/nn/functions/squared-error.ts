import { ops } from '../../core/native-ops.ts';
import { defineLoss } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** The mean of (x − y)², of one shape. @throws ERR_SHAPE, ERR_DTYPE */
export const squaredError: (x: Arg, y: Arg) => Value = defineLoss('squaredError', (f, x: Arg, y: Arg) => {
  const { device } = f;
  const n = Math.max(1, tensorOf(x).size);
  const residual = f.buffer(x.shape, x.dtype);
  const out = f.buffer([1], 'f64');
  ops.linearCombination(device, { out: [residual], terms: [tensorOf(x), tensorOf(y)], coefficients: [1, -1] });
  ops.dots(device, { x: [residual], y: [residual], out });
  ops.linearCombination(device, { out: [out], terms: [out], coefficients: [1 / n] });
  return {
    out,
    inputs: [x, y],
    backward: (scale, to) => {
      for (const [input, factor] of [
        [x, 2],
        [y, -2],
      ] as const)
        to.set(input, (grad) =>
          ops.linearCombination(device, { out: [grad], terms: [residual], coefficients: [(factor * scale) / n] }),
        );
    },
    curvature: (v, to) => ops.linearCombination(device, { out: [to], terms: [v], coefficients: [2 / n] }),
  };
});
