import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import { defineLoss } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

const total = (name: string, isMean: boolean) =>
  defineLoss(name, (f, x: Arg) => {
    const { device } = f;
    const { size } = tensorOf(x);
    const factor = isMean ? 1 / Math.max(1, size) : 1;
    const ones = f.constant(`ones ${x.dtype} ${x.shape}`, (on) => Tensor.full(on, x.shape, 1, { dtype: x.dtype }));
    const out = f.buffer([1], 'f64');
    ops.dots(device, { x: [tensorOf(x)], y: [ones], out });
    if (isMean) ops.linearCombination(device, { out: [out], terms: [out], coefficients: [factor] });
    return {
      out,
      inputs: [x],
      backward: (scale, to) => to.set(x, (grad) => ops.fill(device, { x: [grad], value: scale * factor })),
    };
  });

/** The sum of all elements: a loss. */
export const sum: (x: Arg) => Value = total('sum', false);
/** The mean of all elements: a loss. */
export const mean: (x: Arg) => Value = total('mean', true);
