import { checkFinite } from '../../core/callbacks.ts';
import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { count, type Resolved, readOptions, required, type Schema, watchers } from '../../core/schema.ts';
import { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { MFacStatic } from './fixed.ts';

/** Options of {@link obsPrune}. */
export interface ObsPruneOptions {
  /** Weights that become 0, those that are already among them: whole, from 0 to d. It has no default. */
  drop: number;
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

/** The result of {@link obsPrune}. */
export interface PrunedWeights {
  /** `[d]`, of the weights' dtype; the caller's. */
  readonly weights: Tensor;
  /** 1 where a weight is kept, else 0. */
  readonly mask: Uint8Array;
  /** Σ w² / (2 h) over the weights that went, h the diagonal of F⁻¹: what each by itself would cost. */
  readonly loss: number;
}

const schema: Schema<Resolved<ObsPruneOptions, 'signal'>> = {
  drop: required(count(0, 0)),
  signal: watchers<never>().signal,
};

/**
 * Prunes weights like Optimal Brain Surgeon: those go whose w² / (2 h) is least, h the diagonal of F⁻¹, and the others
 * move by F⁻¹ t, where t is −w / h for those that go, as if each went alone. Many at once are better pruned in rounds
 * with gradients anew, a share of them each: weights that are 0 already cost nothing and are among those of the next
 * round. In a single round it can be worse than to prune the smallest weights.
 *
 * Source: Frantar, Kurtic and Alistarh 2021; Hassibi and Stork 1993.
 *
 * @param w `[d]`, of the dtype of the gradients; it stays as it is.
 * @example
 * const { weights, mask } = await obsPrune(w, fixed, { drop: 500 });
 *
 * @throws ERR_ARGUMENT for what is no {@link MFacStatic}, a count out of range, NaN and infinity; ERR_SHAPE, ERR_DTYPE,
 * ERR_DEVICE for weights that do not fit; ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
 */
export async function obsPrune(w: Tensor, fixed: MFacStatic, options: ObsPruneOptions): Promise<PrunedWeights> {
  const where = 'obsPrune';
  check.instance(where, 'fixed', fixed, MFacStatic);
  check.alive(where, 'fixed', fixed);
  const { device, size, dtype } = fixed;
  check.tensor(where, 'w', w, { shape: [size], dtypes: [dtype], device });
  const { drop, signal } = readOptions(where, options, schema);
  if (drop > size) throw refusal(where, 'drop', `be at most ${size}`, drop);
  using task = new Task<never>(device, { signal });
  using owned = new Owned<Tensor>();
  const { queue } = task;
  const make = (shape: readonly number[], of: 'f32' | 'f64' | 'i32' = 'f64') =>
    owned.add(new Tensor(device, shape, of));
  const square = owned.add(vectors.scalar(device));
  vectors.dot(queue, w, w, square);
  checkFinite(`${where}: w`, (await task.read(square))[0]!);
  if (drop === 0) return { weights: w.copy(), mask: new Uint8Array(size).fill(1), loss: 0 };

  const diagonal = owned.add(await fixed.diagonal({ signal }));
  const [wide, curvature, scores] = [make([size]), make([size]), make([size])];
  ops.cast(queue, { x: [w, diagonal], out: [wide, curvature] });
  ops.divide(queue, { x: [wide], y: [curvature], out: [scores] });
  const index = make([drop], 'i32');
  const lost = make([drop]);
  // In this order no score leaves the range of numbers: the diagonal is at most 1 / damp.
  ops.multiply(queue, { x: [scores], y: [wide], out: [curvature] });
  vectors.scale(queue, -0.5, curvature);
  ops.topK(queue, { x: curvature, index, values: lost });
  const ratios = make([drop, 1]);
  ops.gatherRows(queue, { x: owned.add(scores.reshape([size, 1])), index, out: ratios });
  vectors.scale(queue, -1, ratios);
  const [moved, change] = [make([drop, 1], dtype), make([size], dtype)];
  ops.cast(queue, { x: [ratios], out: [moved] });
  ops.fill(queue, { x: [change] });
  const places = owned.add(change.reshape([size, 1]));
  ops.scatterRows(queue, { out: places, index, x: moved, mode: 'set' });
  await task.synchronize();
  const weights = owned.add(fixed.solve(change));
  vectors.combine(queue, weights, [1, w], [1, weights]);
  ops.fill(queue, { x: [moved] });
  ops.scatterRows(queue, { out: owned.add(weights.reshape([size, 1])), index, x: moved, mode: 'set' });
  const [dropped, losses] = await task.readAll(index, lost);
  const mask = new Uint8Array(size).fill(1);
  for (const place of dropped as Int32Array) mask[place] = 0;
  const loss = (losses as Float64Array).reduce((sum, x) => sum - x, 0);
  return { weights: owned.release(weights), mask, loss };
}
