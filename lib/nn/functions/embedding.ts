import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineOwn, layerOf, linearMap, type Product, type Value } from '../tape/define.ts';
import { inParts } from './sample-products.ts';

/** A table of rows `[count, width]`. */
export interface Table {
  /** `[count, width]`. */
  weight: Arg;
}

const lookup = defineOwn(
  'embedding',
  (f, weight: Arg, index: Tensor) => {
    const out = f.buffer([...index.shape, weight.shape.at(-1)!], weight.dtype);
    const back: Product = (grad, to, beta) => f.ops.scatterRows({ out: to, index, x: grad, beta });
    const products = (grad: Tensor, n: number) =>
      inParts(f, n, 1, (rowsOf, out) => {
        const to = f.view(out, weight.shape);
        f.ops.scatterRows({ out: to, index: rowsOf(index), x: rowsOf(grad), beta: 0 });
      });
    const along: Product = (x, to) => f.ops.gatherRows({ x, index, out: to });
    return linearMap(f, out, weight, along, { back, products, adds: 'back' });
  },
  ['weight', 'index'],
);

/**
 * Rows of a table by index: i32 `[…]` gives `[…, width]`. An index outside the table gives NaN.
 * @throws ERR_DTYPE, ERR_SHAPE
 */
export const embedding = (table: Table, index: Tensor): Value => lookup(layerOf('nn.embedding', table).weight, index);
