import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';

/**
 * x = the nearest point with `lower` ≤ xⱼ ≤ `upper`, for each element. In place, queued. What lies between keeps its
 * bits, NaN stays NaN. Bounds in tensors are read by the device alone: a NaN among them gives NaN, and a `lower` above
 * its `upper` gives `upper`.
 *
 * Memory: with bounds in tensors, three tensors like x, until the device is done.
 *
 * @param x A tensor of any shape, f32 or f64.
 * @param lower A number, or −Infinity; or a tensor with a bound for each element, in shape and dtype of x.
 * @param upper A number from `lower` on, or Infinity; or a tensor like x.
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_MEMORY, ERR_DISPOSED
 * @example
 * project.box(x, 0, 1);
 */
export function box(x: Tensor, lower: number | Tensor, upper: number | Tensor): void {
  const where = 'project.box';
  check.tensor(where, 'x', x, { dtypes: check.arithmetic });
  const { device, dtype, shape } = x;
  for (const [name, bound] of Object.entries({ lower, upper }))
    if (isTensor(bound)) check.tensor(where, name, bound, { dtypes: [dtype], shape, device });
    else if (typeof bound !== 'number' || Number.isNaN(bound))
      throw refusal(where, name, 'be a number or a tensor', shown(bound));
  if (typeof lower === 'number' && typeof upper === 'number') {
    if (lower > upper) throw refusal(where, 'lower', 'be at most upper', `${lower} and ${upper}`);
    clamp(x, lower, upper);
    return;
  }
  if (typeof lower === 'number') clamp(x, lower, Infinity);
  else raise(x, lower, 1);
  if (typeof upper === 'number') clamp(x, -Infinity, upper);
  else raise(x, upper, -1);
}

const clamp = (x: Tensor, lower: number, upper: number): void =>
  ops.map(x.device, { x: [x], out: [x], function: 'clamp', parameters: [lower, upper] });

/** x = sign · max(sign · x, sign · bound): of two rows, the maximum of each column, which is exact. */
function raise(x: Tensor, bound: Tensor, sign: 1 | -1): void {
  const { device, dtype, size } = x;
  using pair = new Tensor(device, [2, size], dtype);
  using larger = new Tensor(device, [1, size], dtype);
  using largest = larger.reshape([size]);
  using flat = x.reshape([1, size]);
  using other = bound.reshape([1, size]);
  const halves = [pair.rows(0, 1), pair.rows(1, 2)] as const;
  for (const [i, terms] of [flat, other].entries())
    ops.linearCombination(device, { out: [halves[i]!], terms: [terms], coefficients: [sign] });
  for (const half of halves) half.dispose();
  ops.columnReduce(device, { x: pair, out: largest, reduction: 'max' });
  ops.linearCombination(device, { out: [flat], terms: [larger], coefficients: [sign] });
}
