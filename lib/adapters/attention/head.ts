// An attention head, as both ways of its gradient take it.
import type { Dtype } from '../../core/dtypes.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';

/** One attention head: projections of a sequence, and what its output is compared with. */
export interface Head {
  readonly task: Task;
  /** `[L, h]`: by the adapted weight. */
  readonly q: Tensor;
  /** `[L, h]`. */
  readonly k: Tensor;
  /** `[L, n]`. */
  readonly v: Tensor;
  /** `[L, n]`. */
  readonly y: Tensor;
}

/** The gradient of ½·|attention − y|² by the queries, and that loss. */
export interface QueryGradient {
  /** `[L, h]`. */
  readonly dq: Tensor;
  /** f64[n], whose sum is |attention − y|². */
  readonly squares: Tensor;
}

/** New tensors of a head's dtype, which belong to `owned`. */
export const maker =
  ({ q }: Head, owned: Owned<Tensor>) =>
  (shape: readonly number[], dtype: Dtype = q.dtype): Tensor =>
    owned.add(new Tensor(q.device, shape, dtype));

/** x with its axes exchanged, which belongs to `owned`. */
export function turned({ task }: Head, x: Tensor, owned: Owned<Tensor>): Tensor {
  const out = owned.add(new Tensor(x.device, [...x.shape].reverse(), x.dtype));
  ops.transpose(task.queue, { x, out });
  return out;
}
