import { Lane } from '../core/lane.ts';
import type { Tensor } from '../core/tensor.ts';
import { type Settings, type SinkhornOptions, settingsOf, type TransportMethod } from './options.ts';
import type { Cost, Costs, DenseCost, Pair } from './problem/cost.ts';
import { isProvenInfeasible } from './problem/feasibility.ts';
import { type Measured, measure, measureStreaming } from './problem/finish.ts';
import { marginalsOf, massTensors } from './problem/marginals.ts';
import { balanced } from './problem/penalties.ts';
import { costsOf, type PointClouds, PointCost } from './problem/points.ts';
import { goalOf, honest, precision, startOf } from './problem/start.ts';
import { TransportResult, type TransportStatus } from './result.ts';
import { annealBySweeps } from './solvers/anneal.ts';
import { automatic } from './solvers/automatic.ts';
import { Control } from './solvers/control.ts';
import { lbfgs } from './solvers/lbfgs.ts';
import { Newton, type SolverEnd } from './solvers/newton.ts';
import { newtonByLevels } from './solvers/newton-levels.ts';
import { paperNewton } from './solvers/paper.ts';
import { ScaledPlan } from './solvers/scaled-plan.ts';
import { solveStreaming } from './solvers/solve-streaming.ts';
import { splr } from './solvers/splr.ts';
import { ssns } from './solvers/ssns.ts';
import { ended, preparingSweeps, sweepUntil } from './solvers/sweeps.ts';
import type { Task } from './solvers/task.ts';
import { settled } from './unconverged.ts';

/** Sweeps from zeros, for the potentials of masses that cannot be carried. */
const sweepsFromZeros = 20;

async function solve(task: Task): Promise<SolverEnd> {
  const { plan, marginals, settings, range, tol } = task;
  const { method, paper, maxSweeps } = settings;
  if (method === 'auto') return automatic(task);
  if (method === 'sns' && !paper) return (await newtonByLevels(task, new Newton(plan))).end;
  await annealBySweeps(task);
  if (method === 'sinkhorn') return ended(await sweepUntil(plan, tol), tol);
  await plan.logSweeps(Math.min(paper?.sweeps ?? preparingSweeps, plan.control.sweepsLeft));
  if (method === 'lbfgs') return (await lbfgs(plan, marginals.a, tol, maxSweeps)).end;
  const unit = range.most - range.least || settings.eps;
  if (method === 'ssns') return ssns(plan, tol, unit);
  if (method === 'splr') return splr(plan, tol, unit);
  return paperNewton(plan, tol, paper?.lambda ?? 2 / Math.min(plan.cost.rows, plan.cost.columns));
}

/**
 * Optimal transport with entropy: of all plans P with row sums a and column sums b the one of least
 * ⟨C, P⟩ + eps Σ P ln P, which is P = exp((fᵢ + gⱼ − Cᵢⱼ) / eps).
 *
 * Methods: `'sinkhorn'` sweeps over rows and columns, in the log domain and then on the Gibbs kernel, one read of it a sweep;
 * right where eps is large (a fiftieth of the range of costs and more) or `tol` is loose. `'sns'` takes Newton steps on the
 * semi-dual with the large entries of the plan, in a form that neither overflows nor stalls: right where eps is small.
 *
 * The numbers of the problem are f64 inside, whatever the cost's dtype; the potentials are rounded to it at the end, and
 * status and error are of what is returned. Masses of 0 are allowed, +Infinity in the cost forbids a pair. Nothing that is
 * passed is changed; the cost, or the points, must not be written to before the last use of the result.
 *
 * Of point clouds `{ x, y, metric }`, `'sinkhorn'` computes the costs each time they are needed, in memory of the size of the
 * points. The other methods store the matrix; so does the default where it takes no more than 64 MiB.
 *
 * @example
 * const result = await sinkhorn(cost, { eps: 1e-3 });
 * console.log(result.status, result.cost);
 * const { rows, cols, values } = await result.plan({ threshold: 1e-6 });
 *
 * @param cost a matrix `[n, m]`, f32 or f64; or point clouds
 * @throws ERR_ARGUMENT for options and masses that are out of range, NaN or -Infinity in the cost, and a mass all of whose
 * pairs are forbidden; ERR_UNSUPPORTED for `unbalanced` with another method than `'sinkhorn'`; ERR_NOT_CONVERGED by `throwUnlessConverged`; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted.
 * Source: Sinkhorn-Newton-Sparse, arXiv 2401.12253, in a safeguarded form
 */
export async function sinkhorn(cost: Tensor | PointClouds, options: SinkhornOptions = {}): Promise<TransportResult> {
  const settings = settingsOf('sinkhorn', options);
  settings.signal?.throwIfAborted();
  const result = await solveCosts(costsOf(settings.op, cost), settings);
  return settled(settings.op, result, settings.throwUnlessConverged);
}

/** Bytes of a matrix of costs up to which those of points are stored by default. */
const mostStored = 2 ** 26;

/** Sweeps alone need no matrix; what converges where they do not, does. */
function methodFor(costs: DenseCost | PointCost): TransportMethod {
  const bytes = costs.rows * costs.columns * (costs.dtype === 'f32' ? 4 : 8);
  return costs instanceof PointCost && bytes > mostStored ? 'sinkhorn' : 'auto';
}

/** Takes the costs over. */
export async function solveCosts(costs: DenseCost | PointCost, asked: Settings): Promise<TransportResult> {
  const settings = { ...asked, method: asked.method ?? methodFor(costs) };
  try {
    const isPenalized = settings.penalties.rows < Infinity || settings.penalties.columns < Infinity;
    if (isPenalized || (costs instanceof PointCost && settings.method === 'sinkhorn'))
      return await solveStreaming(costs, settings);
    if (!(costs instanceof PointCost)) return await solveProblem(costs, costs, settings);
    using lane = new Lane(costs.device, settings.signal);
    await costs.range(settings.op, lane);
    const stored = costs.stored(settings.op, lane.queue);
    try {
      return await solveProblem(stored, costs, settings);
    } finally {
      stored.dispose();
    }
  } catch (error) {
    costs.dispose();
    throw error;
  }
}

function discard({ f, g }: Measured): void {
  f.dispose();
  g.dispose();
}

/** By solvers that store the cost; the result keeps `costs`. */
async function solveProblem(cost: Cost, costs: Costs, settings: Settings): Promise<TransportResult> {
  using control = new Control(cost.device, settings);
  const { op, eps, a, b } = settings;
  const marginals = await marginalsOf(op, cost.device, cost.rows, cost.columns, a, b);
  const tensors = massTensors(cost.device, marginals);
  const masses: Pair = { rows: tensors.rowMass, columns: tensors.columnMass };
  let plan: ScaledPlan | undefined;
  try {
    const range = await cost.range(op, masses, control);
    const start = await startOf(cost, marginals, settings, control);
    plan = new ScaledPlan(cost, masses, start, eps, control);
    const floor = precision(op, cost, range, eps);
    const goal = goalOf(cost, settings.tol / marginals.mass, floor);
    let status: TransportStatus = 'infeasible';
    if (range.isReachable) status = await solve({ plan, marginals, settings, range, tol: goal });
    const measureHere = (): Promise<Measured> => {
      const { potentials } = plan as ScaledPlan;
      // Distances of points are exact for the caller, though the solver has them rounded to f32.
      return costs instanceof PointCost
        ? measureStreaming(costs, marginals, potentials, eps, balanced, control, settings.gauge)
        : measure(cost, masses, marginals, potentials, eps, control, settings.gauge);
    };
    let measured = await measureHere();
    if (
      status === 'at-precision' &&
      control.sweepsLeft > 0 &&
      measured.marginalError > Math.max(settings.tol, floor * marginals.mass)
    ) {
      // Steps have lost their way before the numbers end: sweeps do not.
      discard(measured);
      status = ended(await sweepUntil(plan, goal), goal);
      measured = await measureHere();
    }
    if (status !== 'converged' && range.forbidden > 0 && range.isReachable) {
      const rows = await control.read(plan.potentials.rows);
      if (await isProvenInfeasible(cost, masses, marginals, rows, control)) status = 'infeasible';
    }
    if (!Number.isFinite(measured.value + measured.marginalError)) {
      // The potentials of masses that cannot be carried grow until they have no digits for eps.
      discard(measured);
      await plan.restart(sweepsFromZeros);
      measured = await measureHere();
    }
    status = honest(status, measured.marginalError, settings.tol, floor * marginals.mass);
    const { penalties, gauge } = settings;
    const { iterations } = control;
    return new TransportResult({ costs, eps, penalties, gauge, isStored: true, status, iterations, ...measured });
  } finally {
    plan?.dispose();
    tensors.rowMass.dispose();
    tensors.columnMass.dispose();
  }
}
