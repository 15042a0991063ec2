import type { Dtype } from '../../core/dtypes.ts';
import { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { count, positive, type Resolved, readOptions, type Schema, watchers } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Gauge } from '../options.ts';
import type { Cost, Side } from '../problem/cost.ts';
import type { Penalties } from '../problem/penalties.ts';
import { PointCost } from '../problem/points.ts';
import { hasMass, sumOf } from '../problem/potentials.ts';
import { farthest } from '../solvers/streaming.ts';
import { cotangentsOf, regauged, type TransportCotangents } from './cotangents.ts';
import { across, outerSum, type Panel, Panels, type PlanCotangent, type PlanRows, type Vectors } from './panels.ts';
import { means, type Parts, PartsFinder, shift } from './parts.ts';
import { type HessianOptions, PlanHessian } from './plan-hessian.ts';
import { storedProduct, streamedProduct } from './plan-product.ts';
import { PointSlopes } from './point-slopes.ts';
import { SparseSystem } from './sparse-system.ts';
import type { TransportVariable } from './variables.ts';

/** Options of {@link TransportResult.pullback}. */
export interface PullbackOptions {
  /** Bound of the residual of the linear system, relative to its right-hand side: positive. Default: 1e-12. */
  tol?: number | undefined;
  /** Most iterations of conjugate gradients: whole, at least 1. Default: 1000. */
  maxIterations?: number | undefined;
  /** Aborting rejects with the signal's reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const schema: Schema<Resolved<PullbackOptions, 'signal'>> = {
  tol: positive(1e-12),
  maxIterations: count(1000),
  signal: watchers<never>().signal,
};

/** A loss's gradients, under the names of the variables. */
export type TransportGradients<V extends TransportVariable, D extends Dtype = Dtype> = {
  [K in V]: K extends 'eps' ? number : Tensor<D>;
};

/** The parts of a result that are differentiated. */
export interface Differentiable {
  readonly costs: Cost;
  readonly f: Tensor;
  readonly g: Tensor;
  readonly eps: number;
  readonly penalties: Penalties;
  readonly gauge: Gauge;
  /** True if the solver stored a matrix, so that the plan may be one. */
  readonly isStored: boolean;
}

const zeros = ({ rows, columns }: Cost): Vectors => ({
  rows: new Float64Array(rows),
  columns: new Float64Array(columns),
});

/** Sums of the panels' weighted plans over rows and columns, and of the plans themselves. */
interface PlanSums {
  readonly plan: Vectors;
  readonly weighted: Vectors;
}

class Pullback {
  readonly #problem: Differentiable;
  readonly #potentials: Vectors;
  readonly #isFree: boolean;
  readonly #panels: Panels;
  readonly #lane: Lane;
  #parts: Parts | undefined;

  constructor(problem: Differentiable, potentials: Vectors, plan: PlanCotangent, lane: Lane) {
    this.#problem = problem;
    this.#potentials = potentials;
    const { penalties, costs, eps } = problem;
    this.#isFree = penalties.rows === Infinity && penalties.columns === Infinity;
    this.#panels = new Panels(costs, eps, plan, lane);
    this.#lane = lane;
  }

  async #sums(potentials: Vectors, shifts: Vectors, stored?: Tensor): Promise<PlanSums> {
    const { costs } = this.#problem;
    const { device, columns } = costs;
    const { queue } = this.#lane;
    const plan = zeros(costs);
    const weighted = zeros(costs);
    using ofPlan = Tensor.zeros(device, [columns], { dtype: 'f64' });
    using ofWeighted = Tensor.zeros(device, [columns], { dtype: 'f64' });
    const add = async ({ first, index }: Panel, x: Tensor, ofRows: Float64Array, ofColumns: Tensor): Promise<void> => {
      using out = new Tensor(device, [index.size], 'f64');
      ops.columnSum(queue, { x, out: ofColumns, beta: 1 });
      ops.rowReduce(queue, { x, out, reduction: 'sum' });
      ofRows.set(await this.#lane.read(out), first);
    };
    await this.#panels.walk(potentials, shifts, async (panel) => {
      if (stored) ops.scatterRows(queue, { out: stored, index: panel.index, x: panel.plan, mode: 'set' });
      await add(panel, panel.plan, plan.rows, ofPlan);
      await add(panel, panel.weighted, weighted.rows, ofWeighted);
    });
    plan.columns.set(await this.#lane.read(ofPlan));
    weighted.columns.set(await this.#lane.read(ofWeighted));
    return { plan, weighted };
  }

  /** The multipliers u, v of the constraints that rows and columns keep their sums. */
  async multipliers(
    cotangents: Vectors,
    gauge: Gauge,
    options: Pick<HessianOptions, 'tol' | 'maxIterations' | 'signal'>,
  ): Promise<Vectors> {
    const { costs, eps, penalties, isStored } = this.#problem;
    const { device, rows, columns } = costs;
    using stored = isStored ? new Tensor(device, [rows, columns], 'f64') : undefined;
    const sums = await this.#sums(this.#potentials, zeros(costs), stored);
    const own = this.#isFree ? regauged(cotangents, this.#potentials, gauge) : cotangents;
    const diagonal = {
      rows: sums.plan.rows.map((x) => x * (1 + eps / penalties.rows)),
      columns: sums.plan.columns.map((x) => x * (1 + eps / penalties.columns)),
    };
    const rhs = {
      rows: own.rows.map((x, i) => x - sums.weighted.rows[i]!),
      columns: own.columns.map((x, j) => x - sums.weighted.columns[j]!),
    };
    const sizeOf = (x: Float64Array) => x.reduce((most, y) => (hasMass(y) ? Math.max(most, Math.abs(y)) : most), 0);
    const largest = Math.max(sizeOf(this.#potentials.rows), sizeOf(this.#potentials.columns));
    // A plan that is computed for each product has the rounding of exponents; a stored one is the same matrix in all of
    // them.
    const precision = 2 ** -50 * Math.max(16, stored ? 0 : largest / eps);
    if (this.#isFree) this.#parts = await this.#partsOf(sums.plan, 4 * precision, stored);
    const settings = { ...options, precision, parts: this.#parts, lane: this.#lane };
    using f = Tensor.from(device, this.#potentials.rows, [rows]);
    using g = Tensor.from(device, this.#potentials.columns, [columns]);
    const { queue } = this.#lane;
    using sparse = stored && (await SparseSystem.of(stored, sumOf(sums.plan.rows), diagonal, this.#lane));
    const product = stored ? storedProduct(queue, stored) : streamedProduct(queue, costs, { rows: f, columns: g }, eps);
    using hessian = new PlanHessian(device, product, diagonal, settings);
    return await hessian.solve(rhs, sparse);
  }

  async #partsOf(masses: Vectors, least: number, stored?: Tensor): Promise<Parts> {
    const streamed: PlanRows = (visit) =>
      this.#panels.walk(this.#potentials, zeros(this.#problem.costs), ({ first, plan }) => visit(first, plan));
    const rows = stored ? this.#panels.storedRows(stored) : streamed;
    return await new PartsFinder(masses, least, this.#lane).find(rows);
  }

  /** Gradients by the costs and what they depend on: one more walk over the plan. */
  async byPairs(
    by: ReadonlySet<TransportVariable>,
    multipliers: Vectors,
    ofCost: number,
    out: Gradients,
  ): Promise<void> {
    const { costs, eps } = this.#problem;
    const { device, dtype, rows, columns } = costs;
    const { queue } = this.#lane;
    const isPoints = costs instanceof PointCost && (by.has('x') || by.has('y'));
    using slopes = isPoints ? new PointSlopes(costs, await costs.coordinates(this.#lane), this.#lane) : undefined;
    const finite = (x: Float64Array) => x.map((y) => Math.max(y, -farthest));
    using columnPotentials = across(costs, finite(this.#potentials.columns));
    const rowPotentials = finite(this.#potentials.rows);
    if (by.has('cost')) out.cost = new Tensor(device, [rows, columns], dtype);
    let entropy = 0;
    const visit = async (panel: Panel): Promise<void> => {
      const { first, index, cost, plan, weighted } = panel;
      if (by.has('eps')) {
        using logs = outerSum(queue, rowPotentials.slice(first, first + index.size), columnPotentials);
        using sum = new Tensor(device, [1], 'f64');
        ops.linearCombination(queue, { out: [logs], terms: [logs, cost], coefficients: [1 / eps, -1 / eps] });
        ops.dots(queue, { x: [weighted], y: [logs], out: sum });
        entropy += (await this.#lane.read(sum))[0]!;
      }
      if (ofCost !== 0)
        ops.linearCombination(queue, { out: [weighted], terms: [weighted, plan], coefficients: [1, ofCost] });
      if (out.cost) {
        using rounded = weighted.cast(dtype);
        ops.scatterRows(queue, { out: out.cost, index, x: rounded, mode: 'set' });
      }
      await slopes?.add(panel, weighted);
    };
    await this.#panels.walk(this.#potentials, multipliers, visit);
    await slopes?.finish();
    if (by.has('eps')) out.eps = entropy;
    if (slopes && by.has('x')) out.x = this.#rounded(slopes.x, [rows, slopes.x.length / rows]);
    if (slopes && by.has('y')) out.y = this.#rounded(slopes.y, [columns, slopes.y.length / columns]);
  }

  /** The gradient by the masses of a side. */
  async byMass(side: Side, uncentered: Vectors, cotangents: Vectors): Promise<Tensor> {
    const { eps, penalties } = this.#problem;
    const potentials = this.#potentials[side];
    const multipliers = this.#centered(side, uncentered);
    const limits = potentials.every(hasMass) ? undefined : await this.#firstGrains(side, multipliers);
    const rho = penalties[side];
    const gradient = potentials.map((x, i) => {
      if (hasMass(x)) return eps * multipliers[side][i]! * (rho === Infinity ? 1 : Math.exp(-x / rho));
      const ofPotential = cotangents[side][i]!;
      if (ofPotential !== 0) return ofPotential * Infinity;
      // With a penalty, the first grain is worth infinitely more than the next.
      return eps * limits![i]! * (rho === Infinity || limits![i] === 0 ? 1 : Infinity);
    });
    return this.#rounded(gradient, [gradient.length]);
  }

  /** Multipliers without a mean on this side of a part: what they lose there the other side gains. */
  #centered(side: Side, multipliers: Vectors): Vectors {
    const parts = this.#parts;
    if (!parts) return multipliers;
    const shifted = { rows: multipliers.rows.slice(), columns: multipliers.columns.slice() };
    const other: Side = side === 'rows' ? 'columns' : 'rows';
    const mean = means(parts[side], parts.count, shifted[side]);
    shift(parts[side], shifted[side], -1, mean);
    shift(parts[other], shifted[other], 1, mean);
    return shifted;
  }

  /** The multipliers of masses of 0, as those of vanishing ones: how these would be spread is known. */
  async #firstGrains(side: Side, multipliers: Vectors): Promise<Float64Array> {
    const { costs, eps } = this.#problem;
    const { device } = costs;
    const other: Side = side === 'rows' ? 'columns' : 'rows';
    using potential = Tensor.from(device, this.#potentials[other], [costs[other]]);
    using logSums = new Tensor(device, [costs[side]], 'f64');
    costs.softmin(this.#lane.queue, side, potential, eps, { logSums });
    const logs = await this.#lane.read(logSums);
    // Potentials with which these, and no others, have sums of 1.
    const own = this.#potentials[side].map((x, i) => (hasMass(x) || !hasMass(logs[i]!) ? -Infinity : -eps * logs[i]!));
    const unit = { ...this.#potentials, [side]: own };
    const { weighted } = await this.#sums(unit, { ...multipliers, [side]: new Float64Array(costs[side]) });
    return weighted[side].map((x) => -x);
  }

  #rounded(numbers: Float64Array, shape: readonly number[]): Tensor {
    const { device, dtype } = this.#problem.costs;
    using exact = Tensor.from(device, numbers, shape);
    return exact.cast(dtype);
  }
}

type Gradients = { [K in TransportVariable]?: K extends 'eps' ? number : Tensor };

/**
 * The gradients of a loss whose derivatives by the potentials, the plan and its cost are given.
 *
 * The plan's sums are the masses: by the implicit function theorem, with P = exp((f + g − C) / eps) and
 * H = [diag(P 1), P; Pᵀ, diag(Pᵀ 1)], H (df, dg) = (eps da + (P ∘ dC) 1, eps db + (P ∘ dC)ᵀ 1) for changes of masses
 * and costs. One (u, v), of H (u, v) = (f̄ + (P ∘ Q) 1 / eps, ḡ + (P ∘ Q)ᵀ 1 / eps) for the cotangents f̄, ḡ and Q,
 * gives them all: eps u and eps v for the masses, P ∘ (u ⊕ v − Q / eps) for the costs. With a penalty, r (1 + eps /
 * rho) is in the place of the sums r.
 */
export async function pullback(
  problem: Differentiable,
  cotangents: TransportCotangents,
  by: readonly TransportVariable[],
  options: PullbackOptions,
): Promise<Gradients> {
  const settings = readOptions('pullback', options, schema);
  using lane = new Lane(problem.costs.device, settings.signal);
  using owned = new Owned<Tensor>();
  const out: Gradients = {};
  try {
    // Both exist before the first is read: a promise that nobody awaits would end the process when it is rejected.
    const exact = [problem.f, problem.g].map((x) => owned.add(x.cast('f64')));
    const [rows, columns] = await Promise.all(exact.map((x) => lane.read(x)));
    const potentials = { rows: rows!, columns: columns! };
    const given = await cotangentsOf(cotangents, problem.costs, lane, owned);
    const pulled = new Pullback(problem, potentials, given.plan, lane);
    const multipliers = await pulled.multipliers(given, problem.gauge, settings);
    const names = new Set(by);
    if (names.has('a')) out.a = await pulled.byMass('rows', multipliers, given);
    if (names.has('b')) out.b = await pulled.byMass('columns', multipliers, given);
    if (by.some((name) => name !== 'a' && name !== 'b')) await pulled.byPairs(names, multipliers, given.plan.cost, out);
    return out;
  } catch (error) {
    for (const gradient of Object.values(out)) if (typeof gradient !== 'number') gradient.dispose();
    throw error;
  }
}
