import { allOrNone } from '../core/all-or-none.ts';
import { Lane } from '../core/lane.ts';
import { ops } from '../core/native-ops.ts';
import { also, type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import { type BatchOnHost, batchRange, problemOf } from './batch/costs.ts';
import { type Stacked, stacked, stackedMarginals } from './batch/problems.ts';
import { TransportBatch } from './batch/result.ts';
import { type BatchEnd, statusesOf } from './batch/status.ts';
import { stepThrough } from './batch/steps.ts';
import { isOverfull, supportOf } from './batch/support.ts';
import {
  type AnnealOptions,
  type CheckedOptions,
  type Masses,
  type Settings,
  solverSchema,
  unchecked,
} from './options.ts';
import { precision } from './problem/start.ts';
import { levels } from './solvers/anneal.ts';
import { mostQueued } from './solvers/control.ts';
import { settled } from './unconverged.ts';

/** Options of {@link transportBatch}. */
export interface TransportBatchOptions {
  /** Masses of the rows, one list a problem. Default: 1/n each. */
  a?: readonly Exclude<Masses, Tensor>[] | undefined;
  /** Masses of the columns, of the totals of `a`. Default: these totals in equal parts, 1/m each where `a` is left out, too. */
  b?: readonly Exclude<Masses, Tensor>[] | undefined;
  /** Strength of the entropy, in units of the cost: positive, 2⁻⁵² of the size of the costs to 2⁹⁹⁶. Default: 1e-3, for costs of about 1. */
  eps?: number | undefined;
  /** L1 error of the marginals to reach, positive. Default: 1e-9. */
  tol?: number | undefined;
  /** Most sweeps of each problem: whole, 1 to 65536. Default: 1000. */
  maxSweeps?: number | undefined;
  /** Most Newton steps of each problem that sweeps do not solve: whole, at least 1. Default: 200. */
  maxNewton?: number | undefined;
  /** How eps is lowered to its value, for all problems from a tenth of the largest range; false: not at all. Default: `{}`. */
  anneal?: AnnealOptions | false | undefined;
  /** Aborting rejects with the signal's reason. Default: none. */
  signal?: AbortSignal | undefined;
  /** Called after every hundred sweeps, and in the end. Default: none. */
  onProgress?: ((progress: TransportBatchProgress) => void) | undefined;
  /** Rejects with ERR_NOT_CONVERGED, the result as its `cause`, unless all problems have converged. Default: false. */
  throwUnlessConverged?: boolean | undefined;
}

interface BatchSettings
  extends Resolved<Omit<TransportBatchOptions, 'anneal'>, 'a' | 'b' | 'signal' | 'onProgress'>,
    Pick<Settings, 'op' | 'anneal'> {}

const schema: Schema<Omit<BatchSettings, 'op' | 'anneal'> & Pick<CheckedOptions, 'anneal'>> = {
  ...solverSchema,
  a: unchecked(),
  b: unchecked(),
  maxSweeps: also(solverSchema.maxSweeps, (x) => (x > 65536 ? 'must be at most 65536' : undefined)),
  ...watchers<TransportBatchProgress>(),
};

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
 * On CUDA each has a block of threads, on the CPU a thread at a time. Eps is lowered to its value as by {@link sinkhorn}. Sweeps
 * end after half of `maxSweeps`, or where no problem would be done by then at the rate of the last hundred: what is left is solved
 * problem by problem, as `sinkhorn` does by default.
 *
 * @example
 * const { value, status } = await transportBatch(costs, { eps: 0.05 });
 *
 * @param costs a tensor `[B, n, m]`, or a list of matrices of any sizes, f32 or f64. +Infinity forbids a pair
 * @throws ERR_ARGUMENT for options and masses that are out of range, NaN or -Infinity in a cost, a mass all of whose pairs are
 * forbidden, and eps below 2⁻⁵² of the size of the costs; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY;
 * ERR_NOT_CONVERGED by `throwUnlessConverged`; the signal's reason when aborted. Source: Sinkhorn's iteration, as {@link sinkhorn}
 */
export async function transportBatch(
  costs: Tensor | readonly Tensor[],
  options: TransportBatchOptions = {},
): Promise<TransportBatch> {
  const op = 'transportBatch';
  const { anneal, ...given } = readOptions(op, options, schema);
  given.signal?.throwIfAborted();
  const settings = { ...given, op, anneal: anneal || undefined };
  const { cost, sizes } = await stacked(op, costs);
  let result: TransportBatch;
  try {
    result = await solved(cost, sizes, settings);
  } catch (error) {
    cost.dispose();
    throw error;
  }
  return settled(op, result, settings.throwUnlessConverged);
}

/** Of a batch with forbidden pairs. @throws ERR_ARGUMENT where all pairs of a mass are forbidden */
const supportsOf = (op: string, batch: BatchOnHost) => batch.sizes.map((_, k) => supportOf(op, problemOf(batch, k), k));

/** Takes the costs over, unless it throws. */
async function solved(cost: Tensor, sizes: Stacked['sizes'], settings: BatchSettings): Promise<TransportBatch> {
  const { op, eps, tol, maxSweeps, signal, onProgress } = settings;
  const [batch, n, m] = cost.shape as [number, number, number];
  const { device } = cost;
  const [a, b] = stackedMarginals(op, sizes, [n, m], settings.a, settings.b);
  using lane = new Lane(device, signal);
  const range = await batchRange(op, cost, lane);
  const floor = precision(op, { dtype: 'f64' }, range, eps);
  const host = { sizes, widths: [n, m] as const, a, b };
  const supports = range.forbidden > 0 ? supportsOf(op, { ...host, costs: await lane.read(cost) }) : undefined;
  using rowMass = Tensor.from(device, a, [batch, n]);
  using columnMass = Tensor.from(device, b, [batch, m]);
  using statistics = new Tensor(device, [batch, 4], 'f64');
  const [f, g] = allOrNone(
    () => Tensor.zeros(device, [batch, n], { dtype: 'f64' }),
    () => Tensor.zeros(device, [batch, m], { dtype: 'f64' }),
  );
  const potentials = { rowPotential: f, columnPotential: g };
  // So many that an abort need not wait for them long.
  const atOnce = Math.max(1, Math.floor(mostQueued / cost.size));
  const sweep = async (at: number, count: number, tol: number): Promise<Float64Array> => {
    const done = new Float64Array(batch);
    for (let left = count; ; left -= atOnce) {
      const now = Math.min(atOnce, left);
      ops.batchSweeps(lane.queue, { cost, rowMass, columnMass, ...potentials, statistics, eps: at, tol, count: now });
      const numbers = await lane.read(statistics);
      // A problem that has stopped does one more in each operation, which does not count.
      for (let k = 0; k < batch; k++) if (done[k] === count - left) done[k]! += numbers[4 * k]!;
      const isOver = left <= atOnce || done.every((sweeps) => sweeps < count - left + now);
      if (!isOver) continue;
      for (let k = 0; k < batch; k++) numbers[4 * k] = done[k]!;
      return numbers;
    }
  };
  try {
    let left = maxSweeps;
    for (const level of levels(settings, range.widest).slice(0, -1)) {
      const now = Math.min(settings.anneal!.sweeps, left - 1);
      if (now < 1) break;
      await sweep(level, now, 0);
      left -= now;
    }
    const sweeps = new Int32Array(batch).fill(maxSweeps - left);
    const open = new Set(sweeps.keys());
    let before: Float64Array | undefined;
    const reserve = Math.floor(maxSweeps / 2);
    for (;;) {
      const now = Math.min(sweepsAtOnce, Math.max(1, left - reserve));
      // The columns are right after a sweep: the error before its last half bounds what is left.
      const numbers = await sweep(eps, now, tol / 2);
      left -= now;
      for (const k of open) {
        const [done, error] = [numbers[4 * k]!, numbers[4 * k + 1]!];
        sweeps[k]! += done;
        if (done < now || error <= tol) open.delete(k);
      }
      const report = () => {
        const converged = numbers.filter((error, at) => at % 4 === 1 && error <= tol).length;
        onProgress?.({ converged, problems: batch, sweeps: maxSweeps - left });
      };
      report();
      const isOnItsWay = (k: number) => sweepsTo(tol, before, numbers, k) <= left - reserve;
      const goesOn = left > reserve && [...open].some(isOnItsWay);
      before = numbers;
      if (goesOn) continue;
      const rest = await feasibleOf([...open], { supports, host, cost, f, lane });
      if (left > 0 && rest.length > 0) {
        const state = { cost, host, f, g, statistics: numbers, sweeps };
        await stepThrough(state, rest, { ...settings, maxSweeps: left }, lane);
        report();
      }
      const errors = numbers.filter((_, at) => at % 4 === 1);
      const status = await statusesOf(errors, { op, eps, tol, floor, supports, host, cost, f, lane });
      return new TransportBatch(cost, { f, g }, eps, numbers, sweeps, status);
    }
  } catch (error) {
    f.dispose();
    g.dispose();
    throw error;
  }
}

/** Those of some problems that are not proven to have no plan. */
async function feasibleOf(
  problems: readonly number[],
  { supports, host, cost, f, lane }: Pick<BatchEnd, 'supports' | 'host' | 'cost' | 'f' | 'lane'>,
): Promise<number[]> {
  const open = problems.filter((k) => supports?.[k] !== 'barred');
  if (!open.some((k) => supports?.[k] === 'partial')) return open;
  const [costs, potentials] = await Promise.all([lane.read(cost), lane.read(f)]);
  const [n] = host.widths;
  return open.filter((k) => {
    const problem = problemOf({ ...host, costs }, k);
    return supports?.[k] !== 'partial' || !isOverfull(problem, potentials.subarray(k * n, k * n + problem.rows));
  });
}

/** How many more sweeps a problem would take to the tolerance, at the rate between two looks; 0 before that is known. */
function sweepsTo(tol: number, before: Float64Array | undefined, now: Float64Array, k: number): number {
  if (!before) return 0;
  const [last, error] = [before[4 * k + 1]!, now[4 * k + 1]!];
  return error < last ? (sweepsAtOnce * Math.log(tol / error)) / Math.log(error / last) : Infinity;
}
