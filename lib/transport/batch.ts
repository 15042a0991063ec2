import { abortable } from '../abortable.ts';
import { OrthokitError } from '../errors.ts';
import { ops } from '../native-ops.ts';
import { checkOptions, shown } from '../options.ts';
import { isTensor, Tensor } from '../tensor.ts';
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

interface Stacked {
  readonly cost: Tensor;
  readonly sizes: readonly (readonly [rows: number, columns: number])[];
}

function checkCost(op: string, cost: unknown, rank: number): Tensor {
  if (!isTensor(cost)) throw new OrthokitError('ERR_ARGUMENT', `${op}: costs must be Tensors, got ${shown(cost)}`);
  if (cost.dtype !== 'f32' && cost.dtype !== 'f64')
    throw new OrthokitError('ERR_DTYPE', `${op}: costs must be f32 or f64, got ${cost.dtype}`);
  if (cost.shape.length !== rank || cost.size === 0)
    throw new OrthokitError('ERR_SHAPE', `${op}: costs must have rank ${rank} and elements, got [${cost.shape}]`);
  return cost;
}

/** Matrices of any sizes as one batch: what is beyond a smaller one has no mass. */
async function stacked(op: string, costs: Tensor | readonly Tensor[]): Promise<Stacked> {
  if (isTensor(costs)) {
    const [batch, n, m] = checkCost(op, costs, 3).shape as [number, number, number];
    return { cost: costs.reshape(costs.shape), sizes: Array.from({ length: batch }, () => [n, m] as const) };
  }
  if (!Array.isArray(costs) || costs.length === 0)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: costs must be a batch or a list of matrices, got ${shown(costs)}`);
  const list = (costs as readonly unknown[]).map((cost) => checkCost(op, cost, 2));
  const [{ device, dtype }] = list as [Tensor];
  for (const cost of list) {
    if (cost.device !== device) throw new OrthokitError('ERR_DEVICE', `${op}: costs are on different devices`);
    if (cost.dtype !== dtype)
      throw new OrthokitError('ERR_DTYPE', `${op}: costs must have one dtype, got ${dtype} and ${cost.dtype}`);
  }
  const sizes = list.map(({ shape }) => [shape[0]!, shape[1]!] as const);
  const [n, m] = [Math.max(...sizes.map(([rows]) => rows)), Math.max(...sizes.map(([, columns]) => columns))];
  const elements = await Promise.all(list.map((cost) => cost.read()));
  const all = dtype === 'f32' ? new Float32Array(list.length * n * m) : new Float64Array(list.length * n * m);
  for (const [k, [rows, columns]] of sizes.entries())
    for (let i = 0; i < rows; i++)
      all.set(elements[k]!.subarray(i * columns, (i + 1) * columns) as Float64Array, (k * n + i) * m);
  return { cost: Tensor.from(device, all, [list.length, n, m]), sizes };
}

/** Each problem's masses in a row as long as the longest. */
function stackedMasses(
  op: string,
  name: 'a' | 'b',
  masses: readonly Exclude<Masses, Tensor>[] | undefined,
  sizes: readonly number[],
  width: number,
): { rows: Float64Array; totals: number[] } {
  if (masses !== undefined && (!Array.isArray(masses) || masses.length !== sizes.length))
    throw new OrthokitError(
      'ERR_ARGUMENT',
      `${op}: ${name} must be a list of ${sizes.length} lists, got ${shown(masses)}`,
    );
  const rows = new Float64Array(sizes.length * width);
  const totals = sizes.map((size, k) => {
    const own: ArrayLike<number> = masses?.[k] ?? new Float64Array(size).fill(1 / size);
    if (own.length !== size)
      throw new OrthokitError('ERR_SHAPE', `${op}: ${name}[${k}] must have ${size} elements, got ${own.length}`);
    let total = 0;
    for (let i = 0; i < size; i++) {
      const mass = own[i]!;
      if (!(mass >= 0 && mass < Infinity))
        throw new OrthokitError(
          'ERR_ARGUMENT',
          `${op}: ${name}[${k}] must be finite and not negative, got ${mass} at ${i}`,
        );
      rows[k * width + i] = mass;
      total += mass;
    }
    if (!(total > 0))
      throw new OrthokitError('ERR_ARGUMENT', `${op}: ${name}[${k}] must have a positive total, got ${total}`);
    return total;
  });
  return { rows, totals };
}

async function refuseBadCosts(op: string, cost: Tensor): Promise<void> {
  const [batch, n, m] = cost.shape as [number, number, number];
  using matrix = cost.reshape([batch * n, m]);
  using row_mass = Tensor.zeros(cost.device, [batch * n], { dtype: 'f64' });
  using column_mass = Tensor.zeros(cost.device, [m], { dtype: 'f64' });
  using statistics = new Tensor(cost.device, [8], 'f64');
  ops.costRange(cost.device, { cost: matrix, row_mass, column_mass, statistics });
  const bad = (await statistics.read())[2]!;
  if (bad > 0)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: costs must be neither NaN nor -Infinity, got ${bad} of them`);
}

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
  const a = stackedMasses(
    op,
    'a',
    settings.a,
    sizes.map(([rows]) => rows),
    n,
  );
  const b = stackedMasses(
    op,
    'b',
    settings.b,
    sizes.map(([, columns]) => columns),
    m,
  );
  for (const [k, total] of a.totals.entries()) {
    const other = b.totals[k]!;
    const isGiven = settings.a !== undefined && settings.b !== undefined;
    if (isGiven && Math.abs(total - other) > 1e-6 * Math.max(total, other))
      throw new OrthokitError('ERR_ARGUMENT', `${op}: b[${k}] must have the total of a[${k}], ${total}, got ${other}`);
    // The side that was given sets the total.
    const [rows, width, by] = settings.a === undefined ? [a.rows, n, other / total] : [b.rows, m, total / other];
    for (let i = k * width; i < (k + 1) * width; i++) rows[i] = rows[i]! * by;
  }
  await refuseBadCosts(op, cost);
  using row_mass = Tensor.from(device, a.rows, [batch, n]);
  using column_mass = Tensor.from(device, b.rows, [batch, m]);
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
