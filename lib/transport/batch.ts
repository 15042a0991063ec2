import { OrthokitError } from '../errors.ts';
import { ops } from '../native-ops.ts';
import { checkOptions } from '../options.ts';
import { Tensor } from '../tensor.ts';
import { type BatchOnHost, batchRange, problemOf } from './batch-costs.ts';
import { type Stacked, stacked, stackedMarginals } from './batch-problems.ts';
import { TransportBatch } from './batch-result.ts';
import { statusesOf } from './batch-status.ts';
import { supportOf } from './batch-support.ts';
import { reader } from './control.ts';
import { checkWatchers, countOf, type Masses, positive } from './options.ts';
import { precision } from './start.ts';

/** Options of {@link transportBatch}. */
export interface TransportBatchOptions {
  /** Masses of the rows, one list a problem. Default: 1/n each. */
  a?: readonly Exclude<Masses, Tensor>[] | undefined;
  /** Masses of the columns, of the totals of `a`. Default: 1/m each. */
  b?: readonly Exclude<Masses, Tensor>[] | undefined;
  /** Strength of the entropy, in units of the cost: positive, 2⁻⁵² of the size of the costs to 2⁹⁹⁶. There is no default. */
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

/** Potentials of masses that cannot be carried grow by up to 1500 eps a sweep: so they stay finite. */
const mostEps = 2 ** 996;

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
 * @throws ERR_ARGUMENT for options and masses that are out of range, NaN or -Infinity in a cost, a mass all of whose pairs are
 * forbidden, and eps below 2⁻⁵² of the size of the costs; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted. Source: Sinkhorn's iteration, as {@link sinkhorn}
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
  if (eps > mostEps) throw new OrthokitError('ERR_ARGUMENT', `${op}: eps must be at most ${mostEps}, got ${eps}`);
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

/** Of a batch with forbidden pairs. @throws ERR_ARGUMENT where all pairs of a mass are forbidden */
const supportsOf = (op: string, batch: BatchOnHost) => batch.sizes.map((_, k) => supportOf(op, problemOf(batch, k), k));

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
  const read = reader(signal);
  const range = await batchRange(op, cost, read);
  const floor = precision(op, { dtype: 'f64' }, range, eps);
  const host = { sizes, widths: [n, m] as const, a, b };
  const supports = range.forbidden > 0 ? supportsOf(op, { ...host, costs: await read(cost) }) : undefined;
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
      const numbers = await read(statistics);
      left -= now;
      let converged = 0;
      for (let k = 0; k < batch; k++) {
        const [done, error] = [numbers[4 * k]!, numbers[4 * k + 1]!];
        if (!isDone[k]) sweeps[k]! += done;
        if (done < now || error <= tol) isDone[k] = 1;
        if (error <= tol) converged++;
      }
      onProgress?.({ converged, problems: batch, sweeps: count - left });
      if (left > 0 && isDone.includes(0)) continue;
      const errors = numbers.filter((_, at) => at % 4 === 1);
      const status = await statusesOf(errors, { op, eps, tol, floor, supports, host, cost, f, read });
      return new TransportBatch(cost, { f, g }, eps, numbers, sweeps, status);
    }
  } catch (error) {
    f.dispose();
    g.dispose();
    throw error;
  }
}
