import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineLoss, lossOf, tensorOf, type Value } from '../tape/define.ts';

const total = (name: string, isMean: boolean) =>
  defineLoss(
    name,
    (f, x: Arg) => {
      const { size, dtype } = tensorOf(x);
      const factor = isMean ? 1 / Math.max(1, size) : 1;
      const out = f.buffer([1], 'f64');
      const is16 = dtype === 'f16' || dtype === 'bf16';
      const wide = is16 ? f.scratch(x.shape, 'f32') : tensorOf(x);
      if (is16) f.ops.cast({ x: [tensorOf(x)], out: [wide] });
      f.ops.rowReduce({ x: f.view(wide, [1, size]), out });
      if (isMean) f.combine(out, [out], [factor]);
      const back = (grad: Tensor, scale: number) => f.ops.fill({ x: [grad], value: scale * factor });
      return lossOf(out, { x, over: isMean ? 'mean' : 'sum', back });
    },
    ['x'],
  );

/** The sum of all elements: a loss. */
export const sum: (x: Arg) => Value = total('sum', false);
/** The mean of all elements: a loss. */
export const mean: (x: Arg) => Value = total('mean', true);
