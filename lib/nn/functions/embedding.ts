import type { Tensor } from '../../core/tensor.ts';
import { defineOwn, ruleOf } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';
import { inParts } from './sample-products.ts';

/** A table of rows `[count, width]`. */
export interface Table {
  /** f32 or f64. */
  weight: Arg;
}

const lookup = defineOwn('embedding', (f, weight: Arg, index: Tensor) => {
  const out = f.buffer([...index.shape, weight.shape.at(-1)!], weight.dtype);
  const along = (x: Tensor, to: Tensor) => f.ops.gatherRows({ x, index, out: to });
  along(tensorOf(weight), out);
  const back = (grad: Tensor, to: Tensor, beta: number) => f.ops.scatterRows({ out: to, index, x: grad, beta });
  const products = (grad: Tensor, n: number) =>
    inParts(f, n, 1, (rowsOf, out) => {
      const to = f.view(out, weight.shape);
      f.ops.scatterRows({ out: to, index: rowsOf(index), x: rowsOf(grad), beta: 0 });
    });
  return ruleOf(f, out, { x: weight, back, along, products, adds: 'back' });
});

/**
 * Rows of a table by index: i32 `[…]` gives `[…, width]`. An index outside the table gives NaN.
 * @throws ERR_DTYPE, ERR_SHAPE
 */
export const embedding = ({ weight }: Table, index: Tensor): Value => lookup(weight, index);
