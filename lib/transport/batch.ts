import type { Dtype } from '../core/dtypes.ts';
import { ops } from '../core/native-ops.ts';
import type { Owned } from '../core/owned.ts';
import { also, type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import type { TaskOptions } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import { type Batch, batchRange, problemOf } from './batch/costs.ts';
import { type Stacked, stacked, stackedMarginals } from './batch/problems.ts';
import { TransportBatch } from './batch/result.ts';
import { feasibleOf, statusesOf } from './batch/status.ts';
import { stepThrough } from './batch/steps.ts';
import { supportOf } from './batch/support.ts';
import {
  type AnnealOptions,
  type CheckedOptions,
  type Masses,
  type Settings,
  type SinkhornOptions,
  solverSchema,
  unchecked,
} from './options.ts';
import { precision } from './problem/problem.ts';
import { type Engine, solve } from './solve.ts';
import { type Control, mostQueued } from './solvers/control.ts';
import { settled } from './unconverged.ts';

/** Options of {@link transportBatch}. */
export interface TransportBatchOptions
  extends TaskOptions<TransportBatchProgress>,
    Pick<SinkhornOptions, 'eps' | 'tol' | 'throwUnlessConverged'> {
  /** Masses of the rows, one list a problem. Default: 1/n each. */
  a?: readonly Exclude<Masses, Tensor>[] | undefined;
  /** Masses of the columns, of the totals of `a`. Default: these totals in equal parts, 1/m each without `a`. */
  b?: readonly Exclude<Masses, Tensor>[] | undefined;
  /** Most sweeps of each problem: whole, 1 to 65536. Default: 1000. */
  maxSweeps?: number | undefined;
  /** Most Newton steps of each problem that sweeps do not solve: whole, at least 1. Default: 200. */
  maxNewton?: number | undefined;
  /**
   * Options by which eps is lowered, for all problems from a tenth of the largest range; false: it is not lowered.
   * Default: `{}`.
   */
  anneal?: AnnealOptions | false | undefined;
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

/** Progress of a batch, told after every hundred sweeps, and in the end. */
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
 * Many small transport problems at once, by sweeps in the log domain: one operation, in which each problem stops by
 * itself. On CUDA each has a block of threads, on the CPU a thread at a time. Eps is lowered to its value as by
 * {@link sinkhorn}. Sweeps end after half of `maxSweeps`, or where no problem would be done by then at the rate of the
 * last hundred: what is left is solved problem by problem, as `sinkhorn` does by default.
 *
 * @example
 * const { value, status } = await transportBatch(costs, { eps: 0.05 });
 *
 * @param costs a tensor `[B, n, m]`, or a list of matrices of any sizes, f32 or f64. +Infinity forbids a pair
 * @throws ERR_ARGUMENT for options and masses that are out of range, NaN or -Infinity in a cost, a mass all of whose
 * pairs are forbidden, and eps below 2⁻⁵² of the size of the costs; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED,
 * ERR_MEMORY; ERR_NOT_CONVERGED by `throwUnlessConverged`; the signal's reason when aborted. Source: Sinkhorn's
 * iteration, as {@link sinkhorn}
 */
export async function transportBatch<D extends Dtype>(
  costs: Tensor<D> | readonly Tensor<D>[],
  options: TransportBatchOptions = {},
): Promise<TransportBatch<D>> {
  const op = 'transportBatch';
  const { anneal, ...given } = readOptions(op, options, schema);
  const settings = { ...given, op, anneal: anneal || undefined };
  const { cost, sizes } = await stacked(op, costs, settings.signal);
  const result = await solve<TransportBatch, TransportBatchProgress>(cost, settings, (control, owned) =>
    swept(cost, sizes, settings, control, owned),
  );
  // The caller's costs are of this dtype.
  return settled(op, result, settings.throwUnlessConverged) as TransportBatch<D>;
}

/** Solves by sweeps, and problem by problem where these are slow. */
async function swept(
  cost: Stacked['cost'],
  sizes: Stacked['sizes'],
  settings: BatchSettings,
  control: Control<TransportBatchProgress>,
  owned: Owned,
): Promise<Engine<TransportBatch>> {
  const { op, eps, tol, maxSweeps } = settings;
  const [count, n, m] = cost.shape as [number, number, number];
  const { device } = cost;
  const [a, b] = stackedMarginals(op, sizes, [n, m], settings.a, settings.b);
  const range = await batchRange(op, cost, control);
  const rounding = precision(op, { dtype: 'f64' }, range, eps);
  const costs = range.forbidden > 0 ? await control.read(cost) : undefined;
  const supports = costs && sizes.map((_, k) => supportOf(op, problemOf({ cost, sizes, a, b }, costs, k), k));
  const rowMass = owned.add(Tensor.from(device, a, [count, n]));
  const columnMass = owned.add(Tensor.from(device, b, [count, m]));
  const statistics = owned.add(new Tensor(device, [count, 4], 'f64'));
  const f = owned.add(Tensor.zeros(device, [count, n], { dtype: 'f64' }));
  const g = owned.add(Tensor.zeros(device, [count, m], { dtype: 'f64' }));
  const batch: Batch = { op, eps, tol, control, cost, sizes, a, b, f, g, rounding, supports };
  const operands = { cost, rowMass, columnMass, rowPotential: f, columnPotential: g, statistics };
  // So many that an abort need not wait for them long.
  const atOnce = Math.max(1, Math.floor(mostQueued / cost.size));
  const sweep = async (sweeps: number, eps: number, tol = 0): Promise<Float64Array> => {
    control.iterations.sweeps += sweeps;
    const done = new Float64Array(count);
    for (let left = sweeps; ; left -= atOnce) {
      const now = Math.min(atOnce, left);
      ops.batchSweeps(control.queue, { ...operands, eps, tol, maxSweeps: now });
      const numbers = await control.read(statistics);
      // A problem that has stopped does one more in each operation, which does not count.
      for (let k = 0; k < count; ++k) if (done[k] === sweeps - left) done[k]! += numbers[4 * k]!;
      const isOver = left <= atOnce || done.every((those) => those < sweeps - left + now);
      if (!isOver) continue;
      for (let k = 0; k < count; ++k) numbers[4 * k] = done[k]!;
      return numbers;
    }
  };
  const errorsOf = (numbers: Float64Array) => numbers.filter((_, at) => at % 4 === 1);
  const report = (numbers: Float64Array) => {
    const converged = errorsOf(numbers).filter((error) => error <= tol).length;
    control.report({ converged, problems: count, sweeps: control.iterations.sweeps });
  };
  let numbers: Float64Array = new Float64Array(4 * count);
  let sweeps = new Int32Array(count);
  return {
    range: { least: 0, most: range.widest, isReachable: true },
    sweep: async (sweeps, eps) => void (await sweep(sweeps, eps)),
    async run() {
      sweeps = new Int32Array(count).fill(control.iterations.sweeps);
      const open = new Set(sweeps.keys());
      const reserve = Math.floor(maxSweeps / 2);
      let before: Float64Array | undefined;
      const isOnItsWay = (k: number) => sweepsTo(tol, before, numbers, k) <= control.sweepsLeft - reserve;
      for (let goesOn = true; goesOn; ) {
        const now = Math.min(sweepsAtOnce, Math.max(1, control.sweepsLeft - reserve));
        // The columns are right after a sweep: the error before its last half bounds what is left.
        numbers = await sweep(now, eps, tol / 2);
        for (const k of open) {
          const [done, error] = [numbers[4 * k]!, numbers[4 * k + 1]!];
          sweeps[k]! += done;
          if (done < now || error <= tol) open.delete(k);
        }
        report(numbers);
        goesOn = control.sweepsLeft > reserve && [...open].some(isOnItsWay);
        before = numbers;
      }
      const rest = await feasibleOf(batch, [...open]);
      if (control.sweepsLeft <= 0 || rest.length === 0) return 'max-iterations';
      await stepThrough(batch, rest, { ...settings, maxSweeps: control.sweepsLeft }, { statistics: numbers, sweeps });
      report(numbers);
      return 'max-iterations';
    },
    async result() {
      const status = await statusesOf(batch, errorsOf(numbers));
      const potentials = { f: owned.release(f), g: owned.release(g) };
      return new TransportBatch(cost, potentials, eps, numbers, sweeps, status);
    },
  };
}

/** More sweeps that a problem would take to the tolerance, at the rate between two looks; 0 before that is known. */
function sweepsTo(tol: number, before: Float64Array | undefined, now: Float64Array, k: number): number {
  if (!before) return 0;
  const [last, error] = [before[4 * k + 1]!, now[4 * k + 1]!];
  return error < last ? (sweepsAtOnce * Math.log(tol / error)) / Math.log(error / last) : Infinity;
}
