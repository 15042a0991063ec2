import type { Dtype } from '../core/dtypes.ts';
import { Owned } from '../core/owned.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import {
  type Settings,
  type SinkhornOptions,
  settingsOf,
  type TransportIterations,
  type TransportMethod,
  type TransportProgress,
  type TransportStatus,
} from './options.ts';
import { type Cost, type Pair, type PlanSums, StoredCost } from './problem/cost.ts';
import { isProvenInfeasible } from './problem/feasibility.ts';
import { type Measured, measure } from './problem/measure.ts';
import { isBalanced } from './problem/penalties.ts';
import { costsOf, type PointClouds, PointCost } from './problem/points.ts';
import { finalStatus, type Problem, pairOf, problemOf } from './problem/problem.ts';
import { TransportResult } from './result.ts';
import { type Engine, solve } from './solve.ts';
import { automatic } from './solvers/automatic.ts';
import { lbfgs } from './solvers/lbfgs.ts';
import { Newton, type SolverEnd } from './solvers/newton.ts';
import { newtonByLevels } from './solvers/newton-levels.ts';
import { paperNewton } from './solvers/paper.ts';
import { ScaledPlan } from './solvers/scaled-plan.ts';
import { splr } from './solvers/splr.ts';
import { ssns } from './solvers/ssns.ts';
import { logOf, Streaming, streamedSums, sweepInTens } from './solvers/streaming.ts';
import { ended, preparingSweeps, sweepUntil } from './solvers/sweeps.ts';
import { settled } from './unconverged.ts';

/** Sweeps from zeros, for the potentials of masses that cannot be carried. */
const sweepsFromZeros = 20;
/** Potentials beyond this many eps have few digits left for an exponent. */
const mostEps = 2 ** 44;

/**
 * Optimal transport with entropy: of all plans P with row sums a and column sums b the one of least
 * ⟨C, P⟩ + eps Σ P ln P, which is P = exp((fᵢ + gⱼ − Cᵢⱼ) / eps).
 *
 * Methods: `'sinkhorn'` sweeps over rows and columns, in the log domain and then on the Gibbs kernel, one read of it a
 * sweep; right where eps is large (a fiftieth of the range of costs and more) or `tol` is loose. `'sns'` takes Newton
 * steps on the semi-dual with the large entries of the plan, in a form that neither overflows nor stalls: right where
 * eps is small.
 *
 * The numbers of the problem are f64 inside, whatever the cost's dtype; the potentials are rounded to it at the end,
 * and status and error are of what is returned. Masses of 0 are allowed, +Infinity in the cost forbids a pair. Nothing
 * that is passed is changed; the cost, or the points, must not be written to before the last use of the result.
 *
 * Of point clouds `{ x, y, metric }`, `'sinkhorn'` computes the costs each time they are needed, in memory of the size
 * of the points. The other methods store the matrix; so does the default where it takes no more than 64 MiB.
 *
 * @example
 * const result = await sinkhorn(cost, { eps: 1e-3 });
 * console.log(result.status, result.cost);
 * const { rows, cols, values } = await result.plan({ threshold: 1e-6 });
 *
 * @param cost a matrix `[n, m]`, f32 or f64; or point clouds
 * @throws ERR_ARGUMENT for options and masses that are out of range, NaN or -Infinity in the cost, and a mass all of
 * whose pairs are forbidden; ERR_UNSUPPORTED for `unbalanced` with another method than `'sinkhorn'`; ERR_NOT_CONVERGED
 * by `throwUnlessConverged`; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when
 * aborted.
 * Source: Sinkhorn-Newton-Sparse, arXiv 2401.12253, in a safeguarded form
 */
export async function sinkhorn<D extends Dtype>(
  cost: Tensor<D> | PointClouds<D>,
  options: SinkhornOptions = {},
): Promise<TransportResult<D>> {
  const settings = settingsOf('sinkhorn', options);
  const isShared = settings.maxSweeps >= leastShared.sweeps && settings.maxNewton >= leastShared.newton;
  const costs = costsOf(settings.op, cost);
  const method = settings.method ?? (isBalanced(settings.penalties) ? methodFor(costs) : 'sinkhorn');
  const result =
    method === 'auto' && !isShared ? await nearestOf<D>(cost, costs, settings) : await solveCosts<D>(costs, settings);
  return settled(settings.op, result, settings.throwUnlessConverged);
}

/** Bounds below which methods have too little to share: each is tried with all of it. */
const leastShared = { sweeps: 100, newton: 20 } as const;

/**
 * By one method after the other until one converges or ends for good, or the nearest result. The first costs are taken
 * over. All that is passed is taken at the call: the caller may dispose of it, and write other masses, afterwards.
 */
async function nearestOf<D extends Dtype>(
  cost: Tensor<D> | PointClouds<D>,
  first: StoredCost | PointCost,
  settings: Settings,
): Promise<TransportResult<D>> {
  using tried = new Owned();
  tried.add(first);
  const tries = (['sns', 'lbfgs', 'sinkhorn'] as const).map((method, i) => ({
    method,
    costs: i === 0 ? first : tried.add(costsOf(settings.op, cost)),
  }));
  const { a, b, warmStart, onProgress } = settings;
  const [f, g] = [heldOf(warmStart?.f, tried), heldOf(warmStart?.g, tried)];
  const start = f && g ? { f, g } : warmStart;
  const taken = { ...settings, a: heldOf(a, tried), b: heldOf(b, tried), warmStart: start };
  const before: TransportIterations = { sweeps: 0, newton: 0, cg: 0, evaluations: 0 };
  let nearest: TransportResult<D> | undefined;
  for (const { method, costs } of tries) {
    const told = onProgress && ((now: TransportProgress) => onProgress({ ...now, iterations: plus(before, now.iterations) })); // biome-ignore format: one line
    tried.release(costs);
    const result = tried.add(await solveCosts<D>(costs, { ...taken, method, onProgress: told }));
    Object.assign(before, plus(before, result.iterations));
    const { status, marginalError } = result;
    // No method carries what no plan does.
    const isKnown = status === 'converged' || status === 'infeasible';
    if (isKnown || nearest === undefined || marginalError < nearest.marginalError) nearest = result;
    if (isKnown || status === 'at-precision') break;
  }
  tried.release(nearest!);
  return nearest!;
}

/** A copy of what was passed, as it is now; what is no tensor and no list stays, and is refused where it is read. */
function heldOf<T>(values: T, owned: Owned): T {
  if (isTensor(values)) return values.disposed ? values : (owned.add(values.copy()) as T & Tensor);
  return Array.isArray(values) || values instanceof Float64Array || values instanceof Float32Array
    ? (values.slice() as T & typeof values)
    : values;
}

const plus = (a: TransportIterations, b: Readonly<TransportIterations>): TransportIterations => ({
  sweeps: a.sweeps + b.sweeps,
  newton: a.newton + b.newton,
  cg: a.cg + b.cg,
  evaluations: a.evaluations + b.evaluations,
});

/** Bytes of a matrix of costs up to which those of points are stored by default. */
const mostStored = 2 ** 26;

/** Sweeps alone need no matrix; what converges where they do not, does. */
function methodFor(costs: StoredCost | PointCost): TransportMethod {
  const bytes = costs.rows * costs.columns * (costs.dtype === 'f32' ? 4 : 8);
  return costs instanceof PointCost && bytes > mostStored ? 'sinkhorn' : 'auto';
}

/** Takes the costs over. Costs are symmetric, and so are masses, where one potential is to serve both sides. */
export async function solveCosts<D extends Dtype = Dtype>(
  costs: StoredCost | PointCost,
  asked: Settings,
  isSymmetric = false,
): Promise<TransportResult<D>> {
  const settings = { ...asked, method: asked.method ?? methodFor(costs) };
  const isPoints = costs instanceof PointCost;
  const isStreamed = isSymmetric || !isBalanced(settings.penalties) || (isPoints && settings.method === 'sinkhorn');
  const result = await solve<TransportResult<'f32' | 'f64'>, TransportProgress>(
    costs,
    settings,
    async (control, owned) => {
      if (isStreamed) return streamed(await problemOf(costs, settings, control, owned), isSymmetric);
      const cost = isPoints ? owned.add(await costs.stored(settings.op, control)) : costs;
      return stored(await problemOf(cost, settings, control, owned), costs);
    },
  );
  // The caller's costs are of this dtype.
  return result as TransportResult<Dtype> as TransportResult<D>;
}

/** Solves by sweeps that store no matrix. */
function streamed(problem: Problem, isSymmetric: boolean): Engine<TransportResult<'f32' | 'f64'>> {
  const { cost, settings, control, owned, marginals, range, start, goal } = problem;
  const { eps, penalties } = settings;
  const logMasses = pairOf(cost, [marginals.a.map(logOf), marginals.b.map(logOf)], owned);
  const streaming = new Streaming(control, { cost, owned, potentials: start, logMasses, penalties });
  const sweep = async (count: number, at: number): Promise<void> => {
    if (isSymmetric) await streaming.sweepSymmetric(count, at);
    else await streaming.sweep(count, at);
    control.iterations.sweeps += count;
  };
  return {
    range,
    sweep,
    async run() {
      const report = (error: number) => control.reportError(eps, error);
      return ended(await sweepInTens(control, goal, streaming.error, (count) => sweep(count, eps), report), goal);
    },
    async result(end) {
      const measured = await measure(problem, start, (own) => streamedSums(cost, own, eps, control));
      return resultOf(problem, cost, measured, end);
    },
  };
}

/** Solves by solvers that store the cost; the result keeps `costs`. */
function stored(problem: Problem<StoredCost>, costs: StoredCost | PointCost): Engine<TransportResult<'f32' | 'f64'>> {
  const { settings, control, marginals, range, goal, rounding } = problem;
  const plan = new ScaledPlan(problem);
  // Distances of points are exact for the caller, though the solver has them rounded to f32.
  const sumsOf = (own: Pair): Promise<PlanSums> =>
    costs instanceof PointCost ? streamedSums(costs, own, settings.eps, control) : storedSums(problem, own);
  const lowersEps = settings.method === 'auto' || (settings.method === 'sns' && !settings.paper);
  return {
    range,
    sweep: lowersEps ? undefined : (count, eps) => plan.sweepAt(count, eps),
    run: () => solveStored(plan),
    async result(end) {
      let status = end;
      let measured = await measure(problem, plan.absorb(), sumsOf);
      if (
        status === 'at-precision' &&
        control.sweepsLeft > 0 &&
        measured.marginalError > Math.max(settings.tol, rounding * marginals.mass)
      ) {
        // Steps have lost their way before the numbers end: sweeps do not.
        status = ended(await sweepUntil(plan, goal), goal);
        measured = await measure(problem, plan.absorb(), sumsOf);
      }
      if (status !== 'converged' && range.isReachable && (await isProvenInfeasible(plan))) status = 'infeasible';
      // The potentials of masses that cannot be carried grow until they have no digits for eps.
      const isSpent = status === 'infeasible' && measured.largest > mostEps * settings.eps;
      if (isSpent || !Number.isFinite(measured.value + measured.marginalError)) {
        await plan.restart(sweepsFromZeros);
        measured = await measure(problem, plan.absorb(), sumsOf);
      }
      return resultOf(problem, costs, measured, status);
    },
  };
}

async function solveStored(plan: ScaledPlan): Promise<SolverEnd> {
  const { settings, range, goal } = plan.problem;
  const { method, paper, maxSweeps } = settings;
  if (method === 'auto') return automatic(plan);
  if (method === 'sns' && !paper) return (await newtonByLevels(plan, new Newton(plan))).end;
  plan.enter(settings.eps);
  if (method === 'sinkhorn') return ended(await sweepUntil(plan, goal), goal);
  await plan.logSweeps(Math.min(paper?.sweeps ?? preparingSweeps, plan.control.sweepsLeft));
  if (method === 'lbfgs') return (await lbfgs(plan, maxSweeps)).end;
  const unit = range.most - range.least || settings.eps;
  if (method === 'ssns') return ssns(plan, goal, unit);
  if (method === 'splr') return splr(plan, goal, unit);
  return paperNewton(plan, goal, paper?.lambda ?? 2 / Math.min(plan.cost.rows, plan.cost.columns));
}

async function storedSums({ cost, masses, settings, control }: Problem<StoredCost>, own: Pair): Promise<PlanSums> {
  const { device } = cost;
  using rowSums = new Tensor(device, [cost.rows], 'f64');
  using columnSums = new Tensor(device, [cost.columns], 'f64');
  using statistics = new Tensor(device, [4], 'f64');
  cost.planSums(control.queue, masses, own, settings.eps, { rows: rowSums, columns: columnSums }, statistics);
  const [sums, rows, columns] = await control.readAll(statistics, rowSums, columnSums);
  return { rows, columns, linear: sums[0]!, marginalError: sums[2]! + sums[3]! };
}

function resultOf<D extends Dtype>(
  problem: Problem,
  costs: Cost,
  measured: Measured<D>,
  end: TransportStatus,
): TransportResult<D> {
  const { settings, control, marginals, rounding, owned } = problem;
  const status = finalStatus(end, measured.marginalError, settings.tol, rounding * marginals.mass);
  const { eps, penalties, gauge } = settings;
  owned.release(measured.f);
  owned.release(measured.g);
  const { iterations } = control;
  const isStored = costs instanceof StoredCost || costs !== problem.cost;
  return new TransportResult({ ...measured, costs, eps, penalties, gauge, isStored, status, iterations });
}
