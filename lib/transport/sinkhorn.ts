import { OrthokitError } from '../errors.ts';
import { isTensor, Tensor } from '../tensor.ts';
import { levels } from './anneal.ts';
import { Control } from './control.ts';
import type { Cost, CostRange, Costs, DenseCost, Pair } from './cost.ts';
import { measure, measureStreaming } from './finish.ts';
import { type Marginals, marginalsOf, massTensors } from './marginals.ts';
import { Newton } from './newton.ts';
import { type Settings, type SinkhornOptions, settingsOf } from './options.ts';
import { costsOf, type PointClouds, PointCost } from './points.ts';
import { TransportResult, type TransportStatus } from './result.ts';
import { ScaledPlan } from './scaled-plan.ts';
import { Streaming } from './streaming.ts';
import { sweepUntil } from './sweeps.ts';

/** L1 error at which a level of annealing is done: the next one moves further than that. */
const levelTolerance = 0.05;

/** What numbers of the dtype can tell apart at the potentials' size, as L1 error of the marginals. */
export function precision(cost: Costs, range: CostRange, eps: number): number {
  const unit = cost.dtype === 'f32' ? 2 ** -24 : 2 ** -52;
  return unit * Math.max(1, Math.max(Math.abs(range.least), Math.abs(range.most), range.most - range.least) / eps);
}

/** Potentials to start from, f64: those of a warm start, or zeros; −infinity for a mass of 0. */
async function startOf(cost: Costs, marginals: Marginals, settings: Settings, control: Control): Promise<Pair> {
  const { device } = cost;
  const { warmStart, op } = settings;
  const from = async (name: 'f' | 'g', masses: Float64Array): Promise<Tensor> => {
    const size = masses.length;
    let numbers = new Float64Array(size);
    if (warmStart) {
      const tensor = warmStart[name];
      if (tensor.device !== device)
        throw new OrthokitError('ERR_DEVICE', `${op}: warmStart.${name} is on another device`);
      if (tensor.dtype !== 'f32' && tensor.dtype !== 'f64')
        throw new OrthokitError('ERR_DTYPE', `${op}: warmStart.${name} must be f32 or f64, got ${tensor.dtype}`);
      if (tensor.shape.length !== 1 || tensor.size !== size)
        throw new OrthokitError(
          'ERR_SHAPE',
          `${op}: warmStart.${name} must have shape [${size}], got [${tensor.shape}]`,
        );
      numbers = Float64Array.from(await control.read(tensor));
      const share = (settings.eps * Math.log(marginals.mass)) / 2;
      for (const [i, x] of numbers.entries()) numbers[i] = Number.isFinite(x) ? x - share : 0;
    }
    for (const [i, mass] of masses.entries()) if (mass === 0) numbers[i] = -Infinity;
    return Tensor.from(device, numbers, [size]);
  };
  const [f, g] = await Promise.all([from('f', marginals.a), from('g', marginals.b)]);
  return { rows: f, columns: g };
}

interface Outcome {
  status: TransportStatus;
}

async function solve(plan: ScaledPlan, settings: Settings, range: CostRange, tol: number): Promise<Outcome> {
  const { control } = plan;
  const newton = settings.method === 'sns' ? new Newton(plan) : undefined;
  for (const eps of levels(settings, range.most - range.least)) {
    plan.eps = eps;
    const isLast = eps === settings.eps;
    if (!newton) {
      if (isLast) return { status: (await sweepUntil(plan, tol)) <= tol ? 'converged' : 'max-iterations' };
      plan.logSweeps(Math.min(settings.anneal!.sweeps, control.sweepsLeft - 1));
      continue;
    }
    newton.loosen();
    const sweeps = Math.min(settings.anneal?.sweeps ?? 2, control.sweepsLeft);
    if (sweeps > 0) plan.logSweeps(sweeps);
    const { end } = await newton.run(isLast ? tol : levelTolerance);
    if (isLast) return { status: end };
  }
  return { status: 'max-iterations' };
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
 * Costs of point clouds `{ x, y, metric }` are computed when they are needed: `'sinkhorn'`, their default, sweeps in the log
 * domain in memory of the size of the points. The other methods store the matrix.
 *
 * @example
 * const result = await sinkhorn(cost, { eps: 1e-3 });
 * console.log(result.status, result.cost);
 * const { rows, cols, values } = await result.plan({ threshold: 1e-6 });
 *
 * @param cost a matrix `[n, m]`, f32 or f64; or point clouds
 * @throws ERR_ARGUMENT for options and masses that are out of range, NaN or -Infinity in the cost, and a mass all of whose
 * pairs are forbidden; ERR_UNSUPPORTED for `unbalanced` with another method than `'sinkhorn'`; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted.
 * Source: Sinkhorn-Newton-Sparse, arXiv 2401.12253, in a safeguarded form
 */
export async function sinkhorn(cost: Tensor | PointClouds, options: SinkhornOptions): Promise<TransportResult> {
  const isStreamed = !isTensor(cost);
  const settings = settingsOf('sinkhorn', options, isStreamed);
  settings.signal?.throwIfAborted();
  return await solveCosts(costsOf(settings.op, cost), settings);
}

/** Takes the costs over. */
export async function solveCosts(costs: DenseCost | PointCost, settings: Settings): Promise<TransportResult> {
  try {
    const isPenalized = settings.penalties.rows < Infinity || settings.penalties.columns < Infinity;
    if (isPenalized || (costs instanceof PointCost && settings.method === 'sinkhorn'))
      return await solveStreaming(costs, settings);
    if (!(costs instanceof PointCost)) return await solveProblem(costs, costs, settings);
    await costs.range(settings.op, new Control(settings).read);
    const stored = costs.stored(settings.op);
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

/** Whether the error that is asked for has been reached by the potentials as they are returned. */
export function statusOf(status: TransportStatus, marginalError: number, tol: number): TransportStatus {
  if (status === 'converged' && marginalError > tol) return 'at-precision';
  return status === 'at-precision' && marginalError <= tol ? 'converged' : status;
}

async function rangeOf(
  costs: DenseCost | PointCost,
  op: string,
  marginals: Marginals,
  control: Control,
): Promise<CostRange> {
  if (costs instanceof PointCost) return await costs.range(op, control.read);
  const tensors = massTensors(costs.device, marginals);
  using rows = tensors.rowMass;
  using columns = tensors.columnMass;
  return await costs.range(op, { rows, columns }, control.read);
}

/** By sweeps that store no matrix. Costs are symmetric, and so are masses, where one potential is to serve both sides. */
export async function solveStreaming(
  costs: DenseCost | PointCost,
  settings: Settings,
  isSymmetric = false,
): Promise<TransportResult> {
  const control = new Control(settings);
  const { op, eps, a, b, penalties } = settings;
  const isPenalized = penalties.rows < Infinity || penalties.columns < Infinity;
  const marginals = await marginalsOf(op, costs.device, costs.rows, costs.columns, a, b, isPenalized);
  const range = await rangeOf(costs, op, marginals, control);
  const start = await startOf(costs, marginals, settings, control);
  const streaming = new Streaming(costs, marginals, start, penalties, control);
  try {
    const tol = settings.tol / marginals.mass;
    const goal = Math.max(tol / 2, costs.dtype === 'f32' ? precision(costs, range, eps) / 4 : 0);
    let status: TransportStatus = 'infeasible';
    if (range.isReachable) {
      for (const level of levels(settings, range.most - range.least).slice(0, -1)) {
        const count = Math.min(settings.anneal!.sweeps, control.sweepsLeft - 1);
        if (count < 1) break;
        if (isSymmetric) streaming.sweepSymmetric(count, level);
        else streaming.sweep(count, level);
      }
      status = (await streaming.run(eps, goal, isSymmetric)) <= goal ? 'converged' : 'max-iterations';
    }
    const measured = await measureStreaming(costs, marginals, streaming.potentials, eps, penalties, control);
    status = statusOf(status, measured.marginalError, settings.tol);
    return new TransportResult({ costs, eps, penalties, status, iterations: control.iterations, ...measured });
  } finally {
    streaming.dispose();
  }
}

/** By solvers that store the cost; the result keeps `costs`. */
async function solveProblem(cost: Cost, costs: Costs, settings: Settings): Promise<TransportResult> {
  const control = new Control(settings);
  const { op, eps, a, b } = settings;
  const marginals = await marginalsOf(op, cost.device, cost.rows, cost.columns, a, b);
  const tensors = massTensors(cost.device, marginals);
  const masses: Pair = { rows: tensors.rowMass, columns: tensors.columnMass };
  let plan: ScaledPlan | undefined;
  try {
    const range = await cost.range(op, masses, control.read);
    const start = await startOf(cost, marginals, settings, control);
    plan = new ScaledPlan(cost, masses, start, eps, control);
    const tol = settings.tol / marginals.mass;
    const floor = precision(cost, range, eps);
    let status: TransportStatus = 'infeasible';
    if (range.isReachable)
      ({ status } = await solve(plan, settings, range, Math.max(tol / 2, cost.dtype === 'f32' ? floor / 4 : 0)));
    const measured = await measure(cost, masses, marginals, plan.potentials, eps, control);
    status = statusOf(status, measured.marginalError, settings.tol);
    const { penalties } = settings;
    return new TransportResult({ costs, eps, penalties, status, iterations: control.iterations, ...measured });
  } finally {
    plan?.dispose();
    tensors.rowMass.dispose();
    tensors.columnMass.dispose();
  }
}
