// Products and means of tables, queued on `queue`.
import { filled } from '../../core/all-or-none.ts';
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';

/** alpha · op(a) · op(b), in the dtype of both. */
export function product(
  queue: Device,
  a: Tensor,
  b: Tensor,
  { transA = false, transB = false }: { transA?: boolean; transB?: boolean } = {},
): Tensor {
  const rows = a.shape[transA ? 1 : 0]!;
  const columns = b.shape[transB ? 0 : 1]!;
  const word = (isTransposed: boolean) => (isTransposed ? 'transposed' : 'none');
  return filled(Tensor.zeros(a.device, [rows, columns], { dtype: a.dtype }), (c) => {
    ops.gemm(queue, { a, b, c, transA: word(transA), transB: word(transB) });
  });
}

/** The mean of the rows, taken away from each of them; answers the mean. */
export function center(queue: Device, x: Tensor): Tensor {
  const { device, dtype, shape } = x;
  return filled(Tensor.zeros(device, [shape[1]!], { dtype }), (mean) => {
    ops.columnReduce(queue, { x, out: mean, reduction: 'mean' });
    using opposite = negated(queue, mean);
    ops.addBias(queue, { x, bias: opposite, out: x });
  });
}

export function negated(queue: Device, x: Tensor): Tensor {
  return filled(Tensor.zeros(x.device, x.shape, { dtype: x.dtype }), (out) => {
    ops.linearCombination(queue, { out: [out], terms: [x], coefficients: [-1] });
  });
}
