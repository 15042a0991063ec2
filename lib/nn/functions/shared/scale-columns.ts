import { ops } from '../../../core/native-ops.ts';
import type { Tensor } from '../../../core/tensor.ts';
import type { TapeFrame } from '../../tape/frame.ts';

/** y = y times the factor of each column, in place. */
export function scaleColumns(f: TapeFrame, factors: Tensor, y: Tensor): void {
  const { device } = f;
  const zeros = f.scratch(y.shape.slice(0, -1), 'i32');
  const all = f.scratch(y.shape, y.dtype);
  ops.fill(device, { x: [zeros], value: 0 });
  ops.gatherRows(device, { x: f.view(factors, [1, factors.size]), index: zeros, out: all });
  ops.multiply(device, { x: [y], y: [all], out: [y] });
}
