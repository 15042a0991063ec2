import { abortable } from '../abortable.ts';
import { OrthokitError } from '../errors.ts';
import { ops } from '../native-ops.ts';
import { checkOptions } from '../options.ts';
import { Tensor } from '../tensor.ts';
import { refuseBadCosts, type Stacked, stacked, stackedMarginals } from './batch-problems.ts';
import { TransportBatch } from './batch-result.ts';
import { checkWatchers, countOf, type Masses, positive } from './options.ts';

/** Options of {@link transportBatch}. */
export interface TransportBatchOptions {
  /** Masses of the rows, one list a problem. Default: 1/n each. */
  a?: readonly Exclude<Masses, Tensor>[] | undefined;
  /** Masses of the columns, of the totals of `a`. Default: 1/m each. */
  b?: readonly Exclude<Masses, Tensor>[] | undefined;
  /** Strength of the entropy, in units of the cost: positive. There is no default. */
  eps: number;
  /** L1 error of the marginals to reach, positive. Default: 1e-9. */
  tol?: number | undefined;
  /** Most sweeps of each problem: whole, 1 to 65536. Default: 1000. */
  maxSweeps?: number | undefined;
  /** Aborting rejects with the signal's reason. Default: none. */
  signal?: AbortSignal | undefined;
  /** Called after every hundred sweeps, and in the end. Default: none. */
  onProgress?: ((progress: TransportBatchProgress) => void) | undefined;
}

/** How far a batch is. */
export interface TransportBatchProgress {
  /** Problems whose error is at most `tol`. */
  readonly converged: number;
  /** All problems. */
  readonly problems: number;
  /** Sweeps that a problem has done that has not stopped. */
  readonly sweeps: number;
}

/** Sweeps between two looks at the batch; a problem that has stopped does one more at each. */
const sweepsAtOnce = 100;

/**
 * Many small transport problems at once, by sweeps in the log domain: one operation, in which each problem stops by itself.
 * On CUDA each has a block of threads, on the CPU a thread at a time.
 *
 * @example
 * const { value, status } = await transportBatch(costs, { eps: 0.05 });
 *
 * @param costs a tensor `[B, n, m]`, or a list of matrices of any sizes, f32 or f64. +Infinity forbids a pair
 * @throws ERR_ARGUMENT for options and masses that are out of range, and NaN or -Infinity in a cost; ERR_SHAPE, ERR_DTYPE,
 * ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted. Source: Sinkhorn's iteration, as {@link sinkhorn}
 */
export async function transportBatch(
  costs: Tensor | readonly Tensor[],
  options: TransportBatchOptions,
): Promise<TransportBatch> {
  const op = 'transportBatch';
  checkOptions(op, options, ['a', 'b', 'eps', 'tol', 'maxSweeps', 'signal', 'onProgress']);
  const { signal, onProgress } = options;
  checkWatchers(op, options);
  signal?.throwIfAborted();
  const eps = positive(op, 'eps', options.eps);
  const tol = positive(op, 'tol', options.tol ?? 1e-9);
  const count = countOf(op, 'maxSweeps', options.maxSweeps ?? 1000);
  if (count > 65536) throw new OrthokitError('ERR_ARGUMENT', `${op}: maxSweeps must be at most 65536, got ${count}`);
  const { cost, sizes } = await stacked(op, costs);
  try {
    return await solved(op, cost, sizes, { a: options.a, b: options.b, eps, tol, count, signal, onProgress });
  } catch (error) {
    cost.dispose();
    throw error;
  }
}

interface BatchSettings extends Pick<TransportBatchOptions, 'a' | 'b' | 'signal' | 'onProgress'> {
  readonly eps: number;
  readonly tol: number;
  /** Most sweeps of a problem. */
  readonly count: number;
}

/** Takes the costs over, unless it throws. */
async function solved(
  op: string,
  cost: Tensor,
  sizes: Stacked['sizes'],
  settings: BatchSettings,
): Promise<TransportBatch> {
  const { eps, tol, count, signal, onProgress } = settings;
  const [batch, n, m] = cost.shape as [number, number, number];
  const { device } = cost;
  const [a, b] = stackedMarginals(op, sizes, [n, m], settings.a, settings.b);
  await refuseBadCosts(op, cost);
  using row_mass = Tensor.from(device, a, [batch, n]);
  using column_mass = Tensor.from(device, b, [batch, m]);
  using statistics = new Tensor(device, [batch, 4], 'f64');
  const f = Tensor.zeros(device, [batch, n], { dtype: 'f64' });
  const g = Tensor.zeros(device, [batch, m], { dtype: 'f64' });
  try {
    const sweeps = new Int32Array(batch);
    const isDone = new Uint8Array(batch);
    for (let left = count; ; ) {
      const now = Math.min(sweepsAtOnce, left);
      ops.batchSweeps(device, {
        cost,
        row_mass,
        column_mass,
        row_potential: f,
        column_potential: g,
        statistics,
        eps,
        // The columns are right after a sweep: the error before its last half bounds what is left.
        tol: tol / 2,
        count: now,
      });
      const numbers = (await abortable(statistics.read(), signal)) as Float64Array;
      left -= now;
      let converged = 0;
      for (let k = 0; k < batch; k++) {
        const [done, error] = [numbers[4 * k]!, numbers[4 * k + 1]!];
        if (!isDone[k]) sweeps[k]! += done;
        if (done < now || error <= tol) isDone[k] = 1;
        if (error <= tol) converged++;
      }
      onProgress?.({ converged, problems: batch, sweeps: count - left });
      if (left === 0 || isDone.every((x) => x === 1))
        return new TransportBatch(cost, { f, g }, settings, numbers, sweeps);
    }
  } catch (error) {
    f.dispose();
    g.dispose();
    throw error;
  }
}
