// The last values of a vector, and the directions in which they hardly vary.
import { filled } from '../../core/all-or-none.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import { svd } from '../../linalg/index.ts';

/** The share of the whole variance below which a direction has none: rounding has made it up. */
const nullShare = 1e-12;

/**
 * Less the mean of its column, over its deviation but for a factor that is the same for all; 0 in a column of equal
 * numbers. f64.
 */
function standardize(x: Tensor): void {
  const { device } = x;
  const [rows, columns] = x.shape as [number, number];
  using ones = Tensor.full(device, [rows, 1], 1, { dtype: 'f64' });
  const subtract = (row: Tensor): void => {
    ops.gemm(device, { a: ones, b: row, c: x, alpha: -1, beta: 1 });
  };
  // Less the first one, equal numbers are exactly 0.
  using top = x.rows(0, 1);
  using first = top.copy();
  subtract(first);
  using sums = new Tensor(device, [columns], 'f64');
  using row = sums.reshape([1, columns]);
  ops.columnReduce(device, { x, out: sums, reduction: 'mean' });
  subtract(row);
  ops.columnReduce(device, { x, out: sums, reduction: 'sum_of_squares' });
  using batch = x.reshape([1, rows, columns]);
  ops.unitColumns(device, { x: batch, squares: row, out: batch });
}

/**
 * Orthonormal rows, `[count, width]` in the dtype of the history `[rows, width]`: its principal directions behind those
 * that together have more than a share 1 − nu of the variance of the standardized columns. None: undefined.
 */
export async function quietDirections(history: Tensor, nu: number): Promise<Tensor | undefined> {
  const { device, dtype } = history;
  using x = history.cast('f64');
  standardize(x);
  const { u, s, v } = await svd(x);
  u.dispose();
  using values = s;
  using columns = v;
  const variances = Array.from((await values.read()) as Float64Array, (value) => value * value);
  const total = variances.reduce((sum, value) => sum + value, 0);
  const rank = variances.filter((value) => value > nullShare * total).length;
  let first = 0;
  for (let sum = variances[0]!; first < rank && !(sum > (1 - nu) * total); sum += variances[first]!) first += 1;
  if (first + 1 >= rank) return undefined;
  using turned = new Tensor(device, [v.shape[1]!, v.shape[0]!], 'f64');
  ops.transpose(device, { x: columns, out: turned });
  using rows = turned.rows(first + 1, rank);
  return rows.cast(dtype);
}

/** x less its part in the span of orthonormal rows; both vectors of `width` elements are `[width, 1]`. */
export function projectOut(basis: Tensor, x: Tensor): void {
  const { device } = x;
  filled(new Tensor(device, [basis.shape[0]!, 1], x.dtype), (parts) => {
    ops.gemm(device, { a: basis, b: x, c: parts });
    ops.gemm(device, { a: basis, b: parts, c: x, alpha: -1, beta: 1, transA: 'transposed' });
  }).dispose();
}
