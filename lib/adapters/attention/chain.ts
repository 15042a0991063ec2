import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { monomialFeatures } from './features.ts';
import { type Head, maker, type QueryGradient, turned } from './head.ts';

/**
 * The gradient by a chain of thin products: exp(q·k/√h) ≈ φ(q)·φ(k), so that attention is U·(Vᵀ·v) with U = φ(q) over
 * its sums. Time and memory grow with the length. Undefined where a sum of a row is not positive.
 */
export async function chainGradient(
  head: Head,
  degree: number,
  owned: Owned<Tensor>,
): Promise<QueryGradient | undefined> {
  const { task, q, k } = head;
  const { queue, device } = task;
  const made = maker(head, owned);
  const [length, width] = q.shape as [number, number];
  const values = head.v.shape[1]!;
  const featured = (x: Tensor): Tensor => {
    const rows = turned(head, x, owned);
    vectors.scale(queue, width ** -0.25, rows);
    return owned.add(monomialFeatures(queue, rows, degree));
  };
  const [ofQ, ofK] = [featured(q), featured(k)];
  const features = ofQ.shape[0]!;

  // Sums of the rows of exponentials, and U over them.
  const totals = made([1, features]);
  using flat = totals.reshape([features]);
  ops.rowReduce(queue, { x: ofK, out: flat, reduction: 'sum' });
  const sums = made([1, length]);
  ops.gemm(queue, { a: totals, b: ofQ, c: sums });
  const negative = made([1, length]);
  vectors.scale(queue, -1, sums, negative);
  const largest = made([1]);
  ops.rowReduce(queue, { x: negative, out: largest, reduction: 'max' });
  if (!((await task.read(largest))[0]! < 0)) return undefined;
  using divisors = sums.reshape([length]);
  using ones = Tensor.full(device, [length], 1, { dtype: q.dtype as 'f32' });
  vectors.divide(queue, ones, divisors, divisors);
  // The same of all rows in keys or values leaves the gradient as it is: without it less is rounded.
  using column = ones.reshape([length, 1]);
  const without = (x: Tensor, mean: Tensor): Tensor => {
    const out = made(x.shape);
    ops.gemm(queue, { a: column, b: mean, c: out, addend: x, alpha: -1, beta: 1 });
    return out;
  };
  const meanOf = (x: Tensor): Tensor => {
    const mean = made([1, x.shape[1]!]);
    ops.gemm(queue, { a: column, b: x, c: mean, alpha: 1 / length, transA: 'transposed' });
    return mean;
  };
  const middle = meanOf(head.v);
  const [keys, v, y] = [without(k, meanOf(k)), without(head.v, middle), without(head.y, middle)];
  ops.scaleAxis(queue, { x: ofQ, scale: divisors, out: ofQ });

  const inner = (x: Tensor, out: Tensor): void => ops.gemm(queue, { a: ofK, b: x, c: out });
  const outer = (x: Tensor, out: Tensor): void => ops.gemm(queue, { a: ofQ, b: x, c: out, transA: 'transposed' });

  // error = attention − y, and what softmax takes of each row of a gradient.
  const attention = made([length, values]);
  const mixed = made([features, values]);
  inner(v, mixed);
  outer(mixed, attention);
  const error = made([length, values]);
  vectors.combine(queue, error, [1, attention], [-1, y]);
  const squares = made([1], 'f64');
  vectors.dot(queue, error, error, squares);
  vectors.multiply(queue, attention, error, attention);
  const shares = made([length]);
  ops.rowReduce(queue, { x: attention, out: shares, reduction: 'sum' });

  // dq·√h = Σₐ errorₐ ⊙ U·(Vᵀ·(vₐ ⊙ k)) − shares ⊙ U·(Vᵀ·k)
  const dq = made([length, width]);
  const [weighted, mixedKeys] = [made([length, width]), made([features, width])];
  inner(keys, mixedKeys);
  outer(mixedKeys, dq);
  ops.scaleAxis(queue, { x: dq, scale: shares, out: dq, axis: 0 });
  vectors.scale(queue, -1, dq);
  const [valueRows, errorRows] = [turned(head, v, owned), turned(head, error, owned)];
  const part = made([length, width]);
  for (let a = 0; a < values; ++a) {
    using valueRow = valueRows.rows(a, a + 1);
    using errorRow = errorRows.rows(a, a + 1);
    using value = valueRow.reshape([length]);
    using slope = errorRow.reshape([length]);
    ops.scaleAxis(queue, { x: keys, scale: value, out: weighted, axis: 0 });
    inner(weighted, mixedKeys);
    outer(mixedKeys, part);
    ops.scaleAxis(queue, { x: part, scale: slope, out: dq, axis: 0, beta: 1 });
    await task.wait(device.flow() ?? Promise.resolve());
    task.check();
  }
  vectors.scale(queue, 1 / Math.sqrt(width), dq);
  return { dq, squares };
}
