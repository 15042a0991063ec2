import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { type Head, maker, type QueryGradient } from './head.ts';

/** Elements of a block of scores. */
const blockElements = 2 ** 21;

/**
 * The gradient by softmax itself, some rows at a time: time grows with the square of the length, memory with the
 * length.
 */
export async function exactGradient(head: Head, owned: Owned<Tensor>): Promise<QueryGradient> {
  const { task, q, k, v, y } = head;
  const { queue } = task;
  const made = maker(head, owned);
  const [length, width] = q.shape as [number, number];
  const values = v.shape[1]!;
  const rows = Math.min(length, Math.max(1, Math.floor(blockElements / length)));
  const blocks = Math.ceil(length / rows);
  const scale = 1 / Math.sqrt(width);
  const dq = made([length, width]);
  const squares = made([blocks], 'f64');
  const [scores, slopes, outputs] = [made([rows, length]), made([rows, length]), made([rows, values])];
  for (let block = 0; block < blocks; ++block) {
    const from = block * rows;
    const count = Math.min(rows, length - from);
    using own = q.rows(from, from + count);
    using goal = y.rows(from, from + count);
    using out = dq.rows(from, from + count);
    using s = scores.rows(0, count);
    using slope = slopes.rows(0, count);
    using error = outputs.rows(0, count);
    using square = squares.rows(block, block + 1);
    ops.gemm(queue, { a: own, b: k, c: s, alpha: scale, transB: 'transposed' });
    ops.rowSoftmax(queue, { x: s, out: s });
    ops.gemm(queue, { a: s, b: v, c: error });
    vectors.axpy(queue, -1, goal, error);
    vectors.dot(queue, error, error, square);
    ops.gemm(queue, { a: error, b: v, c: slope, transB: 'transposed' });
    ops.rowSoftmaxBackward(queue, { grad: slope, y: s, out: slope });
    ops.gemm(queue, { a: slope, b: k, c: out, alpha: scale });
    await task.wait(task.device.flow() ?? Promise.resolve());
    task.check();
  }
  return { dq, squares };
}
