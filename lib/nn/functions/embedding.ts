import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** A table of rows `[count, width]`. */
export interface Table {
  /** f32 or f64. */
  weight: Arg;
}

const lookup = defineOwn('embedding', (f, weight: Arg, index: Tensor) => {
  const { device } = f;
  const out = f.buffer([...index.shape, weight.shape.at(-1)!], weight.dtype);
  ops.gatherRows(device, { x: tensorOf(weight), index, out });
  return {
    out,
    inputs: [weight],
    backward: (grad, to) => to.add(weight, (dw, beta) => ops.scatterRows(device, { out: dw, index, x: grad, beta })),
    tangent: (d, dout) => ops.gatherRows(device, { x: d(weight)!, index, out: dout }),
  };
});

/**
 * Rows of a table by index: i32 `[…]` gives `[…, width]`. An index outside the table gives NaN.
 * @throws ERR_DTYPE, ERR_SHAPE
 */
export const embedding = ({ weight }: Table, index: Tensor): Value => lookup(weight, index);
