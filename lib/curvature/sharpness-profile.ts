import { checkFinite } from '../core/callbacks.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { readOptions, type Schema, watchers } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import { partsOf, productAlong } from './along.ts';

/** Options of {@link sharpnessProfile}. */
export interface SharpnessProfileOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

/** The result of {@link sharpnessProfile}: shares in [0, 1]; all 0 where no coordinate has a part. */
export interface SharpnessProfile {
  /** The share of the largest hundredth of the coordinates, at least one. */
  readonly top1: number;
  /** The share of the largest twentieth, at least one. */
  readonly top5: number;
  /** The share of the largest tenth, at least one. */
  readonly top10: number;
}

const where = 'sharpnessProfile';
const schema: Schema<{ signal: AbortSignal | undefined }> = { signal: watchers<never>().signal };
const divisors = [100, 20, 10] as const;

/**
 * The part that few coordinates have in the directional sharpness along v = u / |u|: coordinate i has hᵢ = vᵢ·(A v)ᵢ,
 * which add up to {@link directionalSharpness}. The share of some is their Σ|hᵢ| over that of all, and the largest 1, 5
 * and 10 % by |hᵢ| are looked at, ⌊n/100⌋, ⌊n/20⌋ and ⌊n/10⌋ of n coordinates, at least one. Large shares are where
 * clipping of coordinates pays (arXiv 2306.00204). One product with the operator; u stays as it is.
 *
 * @param u f32 or f64 as the operator is: `[n]`, or a list of tensors that together have n elements, in order; for an
 * operator of {@link flat} those of the list have the shapes of the parameters.
 * @example
 * const { top1 } = await sharpnessProfile(flat(nn.oracle(loss, model, batch), 'hessian'), update);
 *
 * @throws ERR_ARGUMENT for what is no operator, for u of length 0 or not finite, for NaN and infinity of the operator
 * and for what it throws; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for one that is not square and for u that does not fit;
 * ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
 */
export async function sharpnessProfile(
  operator: LinearOperator,
  u: Tensor | readonly Tensor[],
  options: SharpnessProfileOptions = {},
): Promise<SharpnessProfile> {
  checkOperator(where, 'operator', operator, true);
  const { signal } = readOptions(where, options, schema);
  const parts = partsOf(where, operator, u);
  const { device, dtype } = operator;
  using task = new Task<never>(device, { signal });
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const { v, product } = await productAlong(where, task, owned, operator, parts);
  ops.multiply(queue, { out: [v], x: [v], y: [product] });
  ops.map(queue, { out: [v], x: [v], function: 'abs' });

  const counts = divisors.map((divisor) => Math.max(1, Math.floor(v.size / divisor)));
  const most = counts[2]!;
  const index = owned.add(new Tensor(device, [most], 'i32'));
  const largest = owned.add(new Tensor(device, [most], dtype));
  ops.topK(queue, { x: v, index, values: largest });
  const sums = owned.add(new Tensor(device, [counts.length + 1], 'f64'));
  const ranges = [...counts.map((count) => owned.add(largest.rows(0, count))), v];
  for (const [i, range] of ranges.entries())
    ops.rowReduce(queue, { x: owned.add(range.reshape([1, range.size])), out: owned.add(sums.rows(i, i + 1)) });
  const [one, five, ten, all] = (await task.read(sums)) as unknown as [number, number, number, number];
  checkFinite(`${where}: operator.apply`, all);
  const shareOf = (sum: number): number => (all > 0 ? Math.min(1, sum / all) : 0);
  return { top1: shareOf(one), top5: shareOf(five), top10: shareOf(ten) };
}
