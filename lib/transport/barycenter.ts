import type { Device } from '../core/device.ts';
import { OrthokitError } from '../core/errors.ts';
import { Lane } from '../core/lane.ts';
import { ops } from '../core/native-ops.ts';
import { shown } from '../core/options.ts';
import { count, flag, positive, type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import { epsOption, type Masses, unchecked } from './options.ts';
import type { DenseCost } from './problem/cost.ts';
import { type Marginals, marginalsOf, massTensors } from './problem/marginals.ts';
import { costsOf, type PointClouds, PointCost } from './problem/points.ts';
import { Pace } from './solvers/control.ts';
import { farthest, logOf } from './solvers/streaming.ts';
import { settled } from './unconverged.ts';

/** Options of {@link barycenter}. */
export interface BarycenterOptions {
  /** Strength of the entropy, in units of the cost: positive. There is no default. */
  eps: number;
  /** How much each measure counts: as many numbers, none negative, of any total. Default: all the same. */
  weights?: readonly number[] | undefined;
  /** Without the blur of the entropy; for a square, symmetric cost. Default: false. */
  debiased?: boolean | undefined;
  /** L1 error between the barycenter and the measures' plans to reach, positive. Default: 1e-6. */
  tol?: number | undefined;
  /** Most sweeps: whole, at least 1. Default: 1000. */
  maxSweeps?: number | undefined;
  /** Aborting rejects with the signal's reason. Default: none. */
  signal?: AbortSignal | undefined;
  /** Called each time the error has been looked at, every ten sweeps. Default: none. */
  onProgress?: ((progress: BarycenterProgress) => void) | undefined;
  /** Rejects with ERR_NOT_CONVERGED, the result as its `cause`, unless the status is `'converged'`. Default: false. */
  throwUnlessConverged?: boolean | undefined;
}

/** How far a barycenter is. */
export interface BarycenterProgress {
  /** Σₖ wₖ Σ |Pₖᵀ 1 − masses|. */
  readonly marginalError: number;
  /** Sweeps over all measures. */
  readonly sweeps: number;
}

/** The result of {@link barycenter}. */
export interface BarycenterResult {
  /** The barycenter, of total 1: one mass a column of the cost, f64. */
  readonly masses: Tensor;
  /** Σₖ wₖ Σ |Pₖᵀ 1 − masses|. */
  readonly marginalError: number;
  /** `'converged'`, or `'max-iterations'`. */
  readonly status: 'converged' | 'max-iterations';
  /** Sweeps over all measures. */
  readonly sweeps: number;
}

const schema: Schema<Resolved<BarycenterOptions, 'weights' | 'signal' | 'onProgress'>> = {
  eps: { ...epsOption, default: undefined as unknown as number },
  weights: unchecked(),
  debiased: flag(false),
  tol: positive(1e-6),
  maxSweeps: count(1000),
  ...watchers<BarycenterProgress>(),
  throwUnlessConverged: flag(false),
};

const sweepsAtOnce = 10;

/** One measure's way to the barycenter. */
interface Way {
  readonly weight: number;
  readonly logMasses: Tensor;
  readonly f: Tensor;
  readonly g: Tensor;
  readonly rowSums: Tensor;
  readonly columnSums: Tensor;
}

class Barycenter {
  readonly #costs: DenseCost | PointCost;
  readonly #queue: Device;
  readonly #eps: number;
  readonly #ways: Way[];
  readonly #owned: Tensor[] = [];
  /** ln of the barycenter, and eps times the logarithm of what takes its bias away. */
  readonly #log: Tensor;
  readonly #bias: Tensor | undefined;
  readonly #biasSums: Tensor;
  readonly #scratch: Tensor;
  readonly #errors: Tensor;

  constructor(
    costs: DenseCost | PointCost,
    queue: Device,
    eps: number,
    masses: Marginals[],
    weights: number[],
    debiased: boolean,
  ) {
    const { device, rows, columns } = costs;
    const vector = (size: number, value = 0) => {
      const tensor = Tensor.full(device, [size], value, { dtype: 'f64' });
      this.#owned.push(tensor);
      return tensor;
    };
    this.#costs = costs;
    this.#queue = queue;
    this.#eps = eps;
    try {
      this.#ways = masses.map(({ a }, k) => {
        const logMasses = Tensor.from(device, a.map(logOf), [rows]);
        this.#owned.push(logMasses);
        return {
          weight: weights[k]!,
          logMasses,
          f: vector(rows),
          g: vector(columns),
          rowSums: vector(rows),
          columnSums: vector(columns),
        };
      });
      this.#log = vector(columns, -Math.log(columns));
      this.#bias = debiased ? vector(columns) : undefined;
      this.#biasSums = vector(columns);
      this.#scratch = vector(columns);
      this.#errors = vector(1);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #combine(out: Tensor, terms: Tensor[], coefficients: number[]): void {
    ops.linearCombination(this.#queue, { out: [out], terms, coefficients });
  }
  #clamp(x: Tensor): void {
    ops.map(this.#queue, { out: [x], x: [x], function: 'clamp', parameters: [-farthest, farthest] });
  }

  async sweep(count: number, pace: Pace): Promise<void> {
    const eps = this.#eps;
    const { work } = this.#costs;
    for (let k = 1; k <= count; k++) {
      for (const { logMasses, f, g, rowSums, columnSums } of this.#ways) {
        this.#costs.softmin(this.#queue, 'rows', g, eps, { logSums: rowSums });
        this.#clamp(rowSums);
        this.#combine(f, [logMasses, rowSums], [eps, -eps]);
        await pace.step(work);
        this.#costs.softmin(this.#queue, 'columns', f, eps, { logSums: columnSums });
        this.#clamp(columnSums);
        await pace.step(work);
      }
      this.#average();
      if (k === count) this.#compare();
      for (const { g, columnSums } of this.#ways) this.#combine(g, [this.#log, columnSums], [eps, -eps]);
      if (this.#bias) {
        this.#costs.softmin(this.#queue, 'rows', this.#bias, eps, { logSums: this.#biasSums });
        await pace.step(work);
        this.#combine(this.#bias, [this.#bias, this.#log, this.#biasSums], [0.5, 0.5 * eps, -0.5 * eps]);
      }
    }
  }

  /** ln p = Σ wₖ ln Kᵀuₖ, and the bias. */
  #average(): void {
    for (const [k, { weight, columnSums }] of this.#ways.entries())
      if (k === 0) this.#combine(this.#log, [columnSums], [weight]);
      else this.#combine(this.#log, [this.#log, columnSums], [1, weight]);
    if (this.#bias) this.#combine(this.#log, [this.#log, this.#bias], [1, 1 / this.#eps]);
  }

  /** Compares the sums of the plans of the last g with the barycenter. */
  #compare(): void {
    const { device, columns } = this.#costs;
    using one = Tensor.zeros(device, [1], { dtype: 'f64' });
    using target = new Tensor(device, [columns], 'f64');
    ops.fill(this.#queue, { x: [this.#errors], value: 0 });
    ops.map(this.#queue, { out: [target], x: [this.#log], function: 'exp' });
    for (const { weight, g, columnSums } of this.#ways) {
      this.#combine(this.#scratch, [g, columnSums], [1 / this.#eps, 1]);
      ops.map(this.#queue, { out: [this.#scratch], x: [this.#scratch], function: 'exp' });
      this.#combine(this.#scratch, [this.#scratch, target], [1, -1]);
      ops.map(this.#queue, { out: [this.#scratch], x: [this.#scratch], function: 'abs' });
      using row = this.#scratch.reshape([1, columns]);
      ops.rowReduce(this.#queue, { x: row, out: one, reduction: 'sum' });
      this.#combine(this.#errors, [this.#errors, one], [1, weight]);
    }
  }

  get error(): Tensor {
    return this.#errors;
  }
  get logMasses(): Tensor {
    return this.#log;
  }

  dispose(): void {
    for (const tensor of this.#owned) tensor.dispose();
  }
}

function weightsOf(op: string, weights: readonly number[] | undefined, count: number): number[] {
  if (weights === undefined) return Array<number>(count).fill(1 / count);
  if (!Array.isArray(weights) || weights.length !== count)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: weights must be ${count} numbers, got ${shown(weights)}`);
  for (const weight of weights as readonly unknown[])
    if (typeof weight !== 'number' || !(weight >= 0 && weight < Infinity))
      throw new OrthokitError('ERR_ARGUMENT', `${op}: weights must be finite and not negative, got ${shown(weight)}`);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0)) throw new OrthokitError('ERR_ARGUMENT', `${op}: weights must have a positive total, got ${total}`);
  return weights.map((weight) => weight / total);
}

/**
 * The entropic barycenter of measures on the rows of a cost: masses p on its columns of least Σₖ wₖ OT(aₖ, p), by Bregman
 * projections in the log domain. `debiased` takes the blur away that the entropy gives it.
 *
 * @example
 * const { masses } = await barycenter({ x: grid, y: grid }, [a, b], { eps: 1e-3, weights: [0.25, 0.75] });
 *
 * @param cost a matrix `[n, m]`, or point clouds, whose distances are computed when needed
 * @param measures masses of the rows, each scaled to the total 1
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; ERR_NOT_CONVERGED by `throwUnlessConverged`; the signal's reason when aborted.
 * Source: Benamou et al., arXiv 1412.5154; debiased: Janati et al., arXiv 2006.02575
 */
export async function barycenter(
  cost: Tensor | PointClouds,
  measures: readonly Masses[],
  options: BarycenterOptions,
): Promise<BarycenterResult> {
  const op = 'barycenter';
  const settings = readOptions(op, options, schema);
  const { eps, tol, maxSweeps, debiased, signal, onProgress } = settings;
  signal?.throwIfAborted();
  if (isTensor(measures) || !Array.isArray(measures) || measures.length === 0)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: measures must be a list of at least one, got ${shown(measures)}`);
  for (const [k, measure] of (measures as readonly unknown[]).entries())
    if (measure === undefined)
      throw new OrthokitError('ERR_ARGUMENT', `${op}: measures must be masses, got undefined at ${k}`);
  const weights = weightsOf(op, settings.weights, measures.length);
  const costs = costsOf(op, cost);
  let state: Barycenter | undefined;
  let result: BarycenterResult;
  using lane = new Lane(costs.device, signal);
  try {
    const { device, rows, columns } = costs;
    if (debiased && rows !== columns)
      throw new OrthokitError('ERR_SHAPE', `${op}: cost must be square for debiased, got [${rows},${columns}]`);
    const masses = await Promise.all(
      measures.map((measure) => marginalsOf(op, device, rows, columns, measure, undefined)),
    );
    if (costs instanceof PointCost) {
      await costs.range(op, lane);
    } else {
      const tensors = massTensors(device, masses[0]!);
      using first = tensors.rowMass;
      using second = tensors.columnMass;
      await costs.range(op, { rows: first, columns: second }, lane);
    }
    state = new Barycenter(costs, lane.queue, eps, masses, weights, debiased);
    const pace = new Pace(lane);
    let [sweeps, error] = [0, Infinity];
    while (!(error <= tol) && sweeps < maxSweeps) {
      const count = Math.min(sweepsAtOnce, maxSweeps - sweeps);
      await state.sweep(count, pace);
      sweeps += count;
      error = (await lane.read(state.error))[0]!;
      onProgress?.({ marginalError: error, sweeps });
    }
    const shares = (await lane.read(state.logMasses)).map((x) => Math.exp(x));
    const total = shares.reduce((sum, x) => sum + x, 0);
    result = {
      masses: Tensor.from(
        device,
        shares.map((x) => x / total),
        [columns],
      ),
      marginalError: error,
      status: error <= tol ? 'converged' : 'max-iterations',
      sweeps,
    };
  } finally {
    state?.dispose();
    costs.dispose();
  }
  return settled(op, result, settings.throwUnlessConverged);
}
