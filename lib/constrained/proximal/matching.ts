// Losses of denoising by which a network learns a proximal operator, and their derivatives.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** Losses of the difference d, element by element: d², |d|, or 1 − exp(−(d/γ)²), proximal matching. */
export type MatchingLoss = 'l2' | 'l1' | 'pm';

/**
 * difference = the derivative of the mean loss by it, and out = that mean, f64 `[1]`.
 *
 * @param difference The network's results less the clean ones.
 */
export function match(
  device: Device,
  loss: MatchingLoss,
  gamma: number,
  difference: Tensor,
  out: Tensor,
  owned: Owned<Tensor>,
): void {
  const { size, shape, dtype } = difference;
  const mean = (x: Tensor, reduction: 'mean' | 'sum_of_squares'): void =>
    ops.rowReduce(device, { x: owned.add(x.reshape([1, size])), out, reduction });
  if (loss === 'l2') {
    mean(difference, 'sum_of_squares');
    vectors.scale(device, 1 / size, out);
    vectors.scale(device, 2 / size, difference);
    return;
  }
  const other = owned.add(new Tensor(device, shape, dtype));
  if (loss === 'l1') {
    ops.map(device, { x: [difference], out: [other], function: 'abs' });
    mean(other, 'mean');
    ops.map(device, { x: [difference], out: [difference], function: 'sign' });
    vectors.scale(device, 1 / size, difference);
    return;
  }
  // In units of γ, so that no square leaves the range of numbers before it has to.
  vectors.scale(device, 1 / gamma, difference);
  vectors.multiply(device, difference, difference, other);
  vectors.scale(device, -1, other);
  ops.map(device, { x: [other], out: [other], function: 'exp' });
  const one = owned.add(vectors.scalar(device));
  ops.fill(device, { x: [one], value: 1 });
  mean(other, 'mean');
  vectors.combine(device, out, [1, one], [-1, out]);
  vectors.multiply(device, difference, other, difference);
  vectors.scale(device, 2 / gamma / size, difference);
}
