import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';

/** The way to singular values of at most 1; see {@link OrthogonalizeOptions.scaling}. */
export type Scaling = 'frobenius' | 'schatten4' | 'aol';

// Of a matrix of norm 1: rows with less than rounding in f32 leaves do not grow to full size.
const leastSum = 1e-7;

/**
 * A batch of matrices that are no taller than wide, of norm 1, each scaled in place by its Gram matrix A = x·xᵀ: rows
 * by (Σⱼ|Aᵢⱼ|)^−½ (`aol`), or whole by ‖A‖^−½ (`schatten4`).
 */
export function scaleByGram(x: Tensor, scaling: 'schatten4' | 'aol'): void {
  const { device, dtype } = x;
  const [batch, rows, columns] = x.shape as [number, number, number];
  if (x.size === 0) return;
  using owned = new Owned<Tensor>();
  const gram = owned.add(new Tensor(device, [batch, rows, rows], dtype));
  ops.symmetricProduct(device, { a: x, c: gram });
  const isByRows = scaling === 'aol';
  const count = isByRows ? batch * rows : batch;
  const factors = owned.add(new Tensor(device, [count], 'f64'));
  const sums = owned.add(gram.reshape([count, gram.size / count]));
  if (isByRows) ops.map(device, { x: [gram], out: [gram], function: 'abs' });
  ops.rowReduce(device, { x: sums, out: factors, reduction: isByRows ? 'sum' : 'sum_of_squares' });
  const least = isByRows ? leastSum : leastSum ** 2;
  ops.map(device, { x: [factors], out: [factors], function: 'clamp', parameters: [least, Number.MAX_VALUE] });
  ops.map(device, { x: [factors], out: [factors], function: 'power', parameters: [isByRows ? -0.5 : -0.25] });
  const scale = owned.add(factors.cast(dtype));
  const flat = owned.add(x.reshape([count, (rows * columns * batch) / count]));
  ops.scaleAxis(device, { x: flat, scale, out: flat, axis: 0 });
}
