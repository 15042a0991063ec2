import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { shown } from '../core/options.ts';
import type { Owned } from '../core/owned.ts';
import { count, flag, positive, type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import type { TaskOptions } from '../core/task.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import { combine } from '../core/vectors.ts';
import { epsOption, type Masses, type SinkhornOptions, unchecked } from './options.ts';
import type { Cost } from './problem/cost.ts';
import { marginalsOf } from './problem/marginals.ts';
import { balanced } from './problem/penalties.ts';
import { costsOf, type PointClouds } from './problem/points.ts';
import { sumOf } from './problem/potentials.ts';
import { pairOf } from './problem/problem.ts';
import { solve } from './solve.ts';
import type { Control } from './solvers/control.ts';
import { logOf, Streaming, sweepInTens } from './solvers/streaming.ts';
import { ended } from './solvers/sweeps.ts';
import { settled } from './unconverged.ts';

/** Options of {@link barycenter}. */
export interface BarycenterOptions
  extends TaskOptions<BarycenterProgress>,
    Pick<SinkhornOptions, 'throwUnlessConverged'> {
  /** Strength of the entropy, in units of the cost: positive. There is no default. */
  eps: number;
  /** The weight of each measure: as many numbers, none negative, of any total. Default: all the same. */
  weights?: readonly number[] | undefined;
  /** Without the blur of the entropy; for a square, symmetric cost. Default: false. */
  debiased?: boolean | undefined;
  /** L1 error between the barycenter and the measures' plans to reach, positive. Default: 1e-6. */
  tol?: number | undefined;
  /** Most sweeps: whole, at least 1. Default: 1000. */
  maxSweeps?: number | undefined;
}

/** Progress of a barycenter, told each time the error has been looked at, every ten sweeps. */
export interface BarycenterProgress {
  /** Σₖ wₖ Σ |Pₖᵀ 1 − masses|. */
  readonly marginalError: number;
  /** Sweeps over all measures. */
  readonly sweeps: number;
}

/** The result of {@link barycenter}. */
export interface BarycenterResult {
  /** The barycenter, of total 1: one mass a column of the cost, f64. */
  readonly masses: Tensor<'f64'>;
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

/** Measures on their way to their barycenter. */
class Barycenter {
  /** Σₖ wₖ Σ |Pₖᵀ 1 − masses| when plans were last compared. */
  readonly error: Tensor;
  /** ln of the barycenter. */
  readonly log: Tensor<'f64'>;
  readonly #costs: Cost;
  readonly #eps: number;
  readonly #control: Control<BarycenterProgress>;
  readonly #measures: readonly Streaming<BarycenterProgress>[];
  readonly #weights: readonly number[];
  /** eps times the logarithm of the factor that takes the bias away. */
  readonly #bias: Tensor | undefined;
  readonly #biasSums: Tensor;

  constructor(
    costs: Cost,
    { eps, debiased }: { readonly eps: number; readonly debiased: boolean },
    masses: readonly Float64Array[],
    weights: readonly number[],
    control: Control<BarycenterProgress>,
    owned: Owned,
  ) {
    const { device, rows, columns } = costs;
    const vector = (size: number, value = 0) => owned.add(Tensor.full(device, [size], value, { dtype: 'f64' }));
    this.#costs = costs;
    this.#eps = eps;
    this.#control = control;
    this.#weights = weights;
    this.log = vector(columns, -Math.log(columns));
    this.#bias = debiased ? vector(columns) : undefined;
    this.#biasSums = vector(columns);
    this.error = vector(1);
    this.#measures = masses.map((a) => {
      const potentials = { rows: vector(rows), columns: vector(columns) };
      const logMasses = { rows: owned.add(Tensor.from(device, a.map(logOf), [rows])), columns: this.log };
      return new Streaming(control, { cost: costs, owned, potentials, logMasses, penalties: balanced });
    });
  }

  async sweep(count: number): Promise<void> {
    const eps = this.#eps;
    for (let k = 1; k <= count; ++k) {
      for (const measure of this.#measures) {
        await measure.look('rows', eps);
        measure.update('rows', eps);
        await measure.look('columns', eps);
      }
      this.#average();
      if (k === count) this.#compare();
      for (const measure of this.#measures) measure.update('columns', eps);
      if (this.#bias) await this.#debias(this.#bias);
    }
    this.#control.iterations.sweeps += count;
  }

  /** ln p = Σ wₖ ln Kᵀuₖ, and the bias. */
  #average(): void {
    const { queue } = this.#control;
    for (const [k, { logSums }] of this.#measures.entries())
      combine(queue, this.log, ...(k === 0 ? [] : [[1, this.log] as const]), [this.#weights[k]!, logSums.columns]);
    if (this.#bias) combine(queue, this.log, [1, this.log], [1 / this.#eps, this.#bias]);
  }

  async #debias(bias: Tensor): Promise<void> {
    const { queue } = this.#control;
    const eps = this.#eps;
    this.#costs.softmin(queue, 'rows', bias, eps, { logSums: this.#biasSums });
    await this.#control.pace(this.#costs.work);
    combine(queue, bias, [0.5, bias], [0.5 * eps, this.log], [-0.5 * eps, this.#biasSums]);
  }

  /** Compares the sums of the plans of the last g with the barycenter. */
  #compare(): void {
    const { queue } = this.#control;
    ops.fill(queue, { x: [this.error], value: 0 });
    for (const [k, measure] of this.#measures.entries()) {
      measure.compare('columns', this.#eps);
      combine(queue, this.error, [1, this.error], [this.#weights[k]!, measure.error]);
    }
  }
}

function weightsOf(op: string, weights: readonly number[] | undefined, count: number): number[] {
  if (weights === undefined) return Array<number>(count).fill(1 / count);
  if (!Array.isArray(weights) || weights.length !== count)
    throw refusal(op, 'weights', `be ${count} numbers`, shown(weights));
  for (const weight of weights as readonly unknown[])
    if (typeof weight !== 'number' || !(weight >= 0 && weight < Infinity))
      throw refusal(op, 'weights', 'be finite and not negative', shown(weight));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0)) throw refusal(op, 'weights', 'have a positive total', total);
  return weights.map((weight) => weight / total);
}

/**
 * The entropic barycenter of measures on the rows of a cost: masses p on its columns of least Σₖ wₖ OT(aₖ, p), by
 * Bregman projections in the log domain. `debiased` takes the blur away that the entropy gives it.
 *
 * @example
 * const { masses } = await barycenter({ x: grid, y: grid }, [a, b], { eps: 1e-3, weights: [0.25, 0.75] });
 *
 * @param cost a matrix `[n, m]`, or point clouds, whose distances are computed when needed
 * @param measures masses of the rows, each scaled to the total 1
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; ERR_NOT_CONVERGED by
 * `throwUnlessConverged`; the signal's reason when aborted.
 * Source: Benamou et al., arXiv 1412.5154; debiased: Janati et al., arXiv 2006.02575
 */
export async function barycenter(
  cost: Tensor | PointClouds,
  measures: readonly Masses[],
  options: BarycenterOptions,
): Promise<BarycenterResult> {
  const op = 'barycenter';
  const settings = { ...readOptions(op, options, schema), anneal: undefined };
  const { tol, debiased } = settings;
  if (isTensor(measures) || !Array.isArray(measures) || measures.length === 0)
    throw refusal(op, 'measures', 'be a list of at least one', shown(measures));
  for (const [k, measure] of (measures as readonly unknown[]).entries())
    if (measure === undefined) throw refusal(op, 'measures', 'be masses', `undefined at ${k}`);
  const weights = weightsOf(op, settings.weights, measures.length);
  const costs = costsOf(op, cost);
  const result = await solve<BarycenterResult, BarycenterProgress>(costs, settings, async (control, owned) => {
    const { device, rows, columns } = costs;
    if (debiased && rows !== columns)
      throw refusal(op, 'cost', 'be square for debiased', `[${rows},${columns}]`, 'ERR_SHAPE');
    const masses = await Promise.all(measures.map((a) => marginalsOf(op, costs, { a }, control)));
    const range = await costs.range(op, control, pairOf(costs, [masses[0]!.a, masses[0]!.b], owned));
    const own = masses.map(({ a }) => a);
    const state = new Barycenter(costs, settings, own, weights, control, owned);
    const { iterations } = control;
    let error = Infinity;
    return {
      range: { ...range, isReachable: true },
      sweep: undefined,
      async run() {
        const report = (marginalError: number) => control.report({ marginalError, sweeps: iterations.sweeps });
        error = await sweepInTens(control, tol, state.error, (count) => state.sweep(count), report);
        return ended(error, tol);
      },
      async result() {
        const shares = (await control.read(state.log)).map(Math.exp);
        const total = sumOf(shares);
        const parts = shares.map((x) => x / total);
        const { sweeps } = iterations;
        const status = error <= tol ? 'converged' : 'max-iterations';
        return { masses: Tensor.from(device, parts, [columns]), marginalError: error, status, sweeps };
      },
    };
  });
  return settled(op, result, settings.throwUnlessConverged);
}
