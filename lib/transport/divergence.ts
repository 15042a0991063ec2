import { allOrNone } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Dtype } from '../core/dtypes.ts';
import { oneOf, refusal } from '../core/errors.ts';
import { Lane } from '../core/lane.ts';
import { ops } from '../core/native-ops.ts';
import { checkOptions, isRecord, shown } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { isTensor, type Tensor } from '../core/tensor.ts';
import { divergenceSchema, type SinkhornOptions, settingsOf, type TransportStatus } from './options.ts';
import { type Cost, StoredCost } from './problem/cost.ts';
import { type Marginals, marginalsOf } from './problem/marginals.ts';
import { weighted } from './problem/measure.ts';
import { type PointClouds, PointCost } from './problem/points.ts';
import { sumOf } from './problem/potentials.ts';
import { dualOf, TransportResult } from './result.ts';
import { solveCosts } from './sinkhorn.ts';
import { streamedSums } from './solvers/streaming.ts';
import { settled } from './unconverged.ts';

/** Costs between two sets and within each, for {@link sinkhornDivergence}. */
export interface DivergenceCosts<D extends Dtype = Dtype> {
  /** `[n, m]`, f32 or f64. */
  readonly xy: Tensor<D>;
  /** `[n, n]`, symmetric. */
  readonly xx: Tensor<D>;
  /** `[m, m]`, symmetric. */
  readonly yy: Tensor<D>;
}

/**
 * Options of {@link sinkhornDivergence}: those of {@link sinkhorn} that go with three problems. `onProgress` hears of
 * one after the other: from x to y, within x, within y.
 */
export type DivergenceOptions = Omit<SinkhornOptions, 'unbalanced' | 'warmStart' | 'paper' | 'gauge'>;

/** A variable of {@link Divergence.gradient}. */
export type DivergenceVariable = 'x' | 'y' | 'a' | 'b';

/** A Sinkhorn divergence, with the three transport problems that it consists of. */
export class Divergence<D extends Dtype = Dtype> {
  /**
   * OT(a, b) − OT(a, a) / 2 − OT(b, b) / 2, with the entropy in each; where exp(−C / eps) is positive definite, not
   * negative but for rounding, whatever the tolerance, and 0 for equal measures.
   */
  readonly value: number;
  /** `'converged'` if all three are, else the status of the first that is not. */
  readonly status: TransportStatus;
  /** The largest of the three. */
  readonly marginalError: number;
  /** The transport from x to y. */
  readonly xy: TransportResult<D>;
  /** Within x: its potentials are equal. */
  readonly xx: TransportResult<D>;
  /** Within y. */
  readonly yy: TransportResult<D>;

  /** @internal @throws ERR_ARGUMENT for what no solver has made */
  constructor(xy: TransportResult<D>, xx: TransportResult<D>, yy: TransportResult<D>, dual: number) {
    const all = [xy, xx, yy];
    for (const result of all)
      if (!(result instanceof TransportResult))
        throw refusal('Divergence', 'it', 'come from sinkhornDivergence', shown(result));
    // Dual values: of second order in what the potentials lack, so that the difference keeps its digits.
    this.value = dual - (dualOf(xx) + dualOf(yy)) / 2;
    this.status = all.find(({ status }) => status !== 'converged')?.status ?? 'converged';
    this.marginalError = Math.max(...all.map((result) => result.marginalError));
    this.xy = xy;
    this.xx = xx;
    this.yy = yy;
  }

  /**
   * The gradient of `value` by the points or the masses; by the envelope theorem, as {@link TransportResult.gradient}.
   * @throws ERR_UNSUPPORTED for points of stored costs; ERR_ARGUMENT, ERR_DISPOSED, ERR_MEMORY
   */
  async gradient(by: DivergenceVariable): Promise<Tensor<D>> {
    const sides = { x: [this.xx, 'x'], y: [this.yy, 'x'], a: [this.xx, 'a'], b: [this.yy, 'a'] } as const;
    if (typeof by !== 'string' || !Object.hasOwn(sides, by))
      throw refusal('gradient', 'by', `be ${oneOf(Object.keys(sides))}`, shown(by));
    const [own, side] = sides[by];
    // Half of OT(a, a), whose two sides change together: one of them counts whole.
    using within = await own.gradient(side);
    const out = await this.xy.gradient(by);
    ops.linearCombination(out.device, { out: [out], terms: [out, within], coefficients: [1, -1] });
    return out;
  }

  /** Disposes of the three results. */
  dispose(): void {
    for (const result of [this.xy, this.xx, this.yy]) result.dispose();
  }

  /** Disposes: `using divergence = await sinkhornDivergence(…)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

type AnyCost = StoredCost | PointCost;

function costsOfThree(op: string, costs: unknown): [AnyCost, AnyCost, AnyCost] {
  if (!isRecord(costs) || isTensor(costs))
    throw refusal(op, 'costs', 'be points x, y or costs xy, xx, yy', shown(costs));
  if (!('xy' in costs))
    return allOrNone(
      () => new PointCost(op, costs),
      () => new PointCost(op, { ...costs, y: costs['x'] }),
      () => new PointCost(op, { ...costs, x: costs['y'] }),
    );
  checkOptions(op, costs, ['xy', 'xx', 'yy']);
  const xy = new StoredCost(op, costs['xy'], 'xy');
  const square = (name: 'xx' | 'yy', size: number): StoredCost => {
    const cost = costs[name];
    check.tensor(op, name, cost, { shape: [size, size], device: xy.device });
    if (cost.dtype !== xy.dtype) throw refusal(op, name, `have the dtype of xy, ${xy.dtype}`, cost.dtype, 'ERR_DTYPE');
    return new StoredCost(op, cost, name);
  };
  return allOrNone(
    () => xy,
    () => square('xx', xy.rows),
    () => square('yy', xy.columns),
  );
}

/**
 * The Sinkhorn divergence OT(a, b) − OT(a, a) / 2 − OT(b, b) / 2 of two weighted sets: entropic transport without its
 * bias, so that it is 0 for equal measures and positive for others, where the kernel exp(−C / eps) is positive definite
 * (as for the distances of {@link PointClouds} but where rounding ends it).
 *
 * The two symmetric terms need one potential each, by f ← (f + Tf) / 2, which converges in a few sweeps. The three dual
 * values are sums in f64; that of a and b is the larger one of those at its own potentials and at the two others', so
 * that the difference is not negative though the problems are solved to a tolerance.
 *
 * @example
 * const divergence = await sinkhornDivergence({ x, y }, { eps: 0.05 });
 * const gradient = await divergence.gradient('x');
 *
 * @param costs points, whose costs are computed when needed; or three matrices
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY, ERR_NOT_CONVERGED as
 * {@link sinkhorn}; the signal's reason when aborted.
 * Source: Feydy et al., arXiv 1810.08278
 */
export async function sinkhornDivergence<D extends Dtype>(
  costs: PointClouds<D> | DivergenceCosts<D>,
  options: DivergenceOptions = {},
): Promise<Divergence<D>> {
  const op = 'sinkhornDivergence';
  checkOptions(op, options, Object.keys(divergenceSchema));
  const settings = settingsOf(op, options);
  using owned = new Owned();
  const costsOfPairs = costsOfThree(op, costs);
  for (const one of costsOfPairs) owned.add(one);
  const [xy, xx, yy] = costsOfPairs;
  const { a, b, eps, signal } = settings;
  const ofPair = owned.add(await solveCosts<D>(xy, settings));
  const ofX = owned.add(await solveCosts<D>(xx, { ...settings, b: a }, true));
  const ofY = owned.add(await solveCosts<D>(yy, { ...settings, a: b }, true));
  // Both are at most OT(a, b). At the potentials of the symmetric terms, u = exp(f / eps) and v = exp(g / eps) of
  // these, the difference is eps / 2 · ⟨u − v, K (u − v)⟩, which a positive definite kernel does not let fall below 0,
  // however little the three problems have converged.
  using lane = new Lane(xy.device, signal);
  const marginals = await marginalsOf(op, xy, settings, lane);
  const dual = Math.max(dualOf(ofPair), await dualAt(xy, marginals, ofX.f, ofY.g, eps, lane));
  const divergence = new Divergence(ofPair, ofX, ofY, dual);
  // From now on all is the caller's.
  owned.move();
  return settled(op, divergence, settings.throwUnlessConverged);
}

/** f·a + g·b − eps (Σ P − Σ a) at any potentials: at most the value of the problem. */
async function dualAt(
  costs: Cost,
  { a, b, mass }: Marginals,
  f: Tensor,
  g: Tensor,
  eps: number,
  lane: Lane,
): Promise<number> {
  using rows = f.cast('f64');
  using columns = g.cast('f64');
  const [ofRows, ofColumns] = await Promise.all([lane.read(rows), lane.read(columns)]);
  const sums = await streamedSums(costs, { rows, columns }, eps, lane);
  return mass * (weighted(ofRows, a) + weighted(ofColumns, b)) - eps * (sumOf(sums.rows) - mass);
}
