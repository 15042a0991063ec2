import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';

/**
 * A tensor whose axis i is axis axes[i] of x, of the owner's. One axis after the other comes to its place with all that
 * follows it, which is a transposition of matrices.
 */
export function permuted(x: Tensor, axes: readonly number[], owned: Owned<Tensor>): Tensor {
  const size = (some: readonly number[]) => some.reduce((product, axis) => product * x.shape[axis]!, 1);
  let order = x.shape.map((_, axis) => axis);
  let y = x;
  for (const [i, axis] of axes.entries()) {
    const at = order.indexOf(axis);
    if (at === i) continue;
    const [before, first, second] = [order.slice(0, i), order.slice(i, at), order.slice(at)];
    const view = owned.add(y.reshape([size(before), size(first), size(second)]));
    const out = owned.add(new Tensor(x.device, [size(before), size(second), size(first)], x.dtype));
    ops.transpose(x.device, { x: view, out });
    order = [...before, ...second, ...first];
    y = out;
  }
  return owned.add(y.reshape(axes.map((axis) => x.shape[axis]!)));
}
