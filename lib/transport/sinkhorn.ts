import { OrthokitError } from '../errors.ts';
import { Tensor } from '../tensor.ts';
import { levels } from './anneal.ts';
import { Control } from './control.ts';
import { type Cost, type CostRange, DenseCost, type Pair } from './cost.ts';
import { measure } from './finish.ts';
import { type Marginals, marginalsOf, massTensors } from './marginals.ts';
import { Newton } from './newton.ts';
import { type Settings, type SinkhornOptions, settingsOf } from './options.ts';
import { TransportResult, type TransportStatus } from './result.ts';
import { ScaledPlan } from './scaled-plan.ts';
import { sweepUntil } from './sweeps.ts';

/** L1 error at which a level of annealing is done: the next one moves further than that. */
const levelTolerance = 0.05;

/** What numbers of the dtype can tell apart at the potentials' size, as L1 error of the marginals. */
function precision(cost: Cost, range: CostRange, eps: number): number {
  const unit = cost.dtype === 'f32' ? 2 ** -24 : 2 ** -52;
  return unit * Math.max(1, Math.max(Math.abs(range.least), Math.abs(range.most), range.most - range.least) / eps);
}

/** Potentials to start from, f64: those of a warm start, or zeros; −infinity for a mass of 0. */
async function startOf(cost: Cost, marginals: Marginals, settings: Settings, control: Control): Promise<Pair> {
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
 * passed is changed; the cost must not be written to before the last use of `plan()`.
 *
 * @example
 * const result = await sinkhorn(cost, { eps: 1e-3 });
 * console.log(result.status, result.cost);
 * const { rows, cols, values } = await result.plan({ threshold: 1e-6 });
 *
 * @param cost a matrix `[n, m]`, f32 or f64
 * @throws ERR_ARGUMENT for options and masses that are out of range, NaN or -Infinity in the cost, and a mass all of whose
 * pairs are forbidden; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; the signal's reason when aborted.
 * Source: Sinkhorn-Newton-Sparse, arXiv 2401.12253, in a safeguarded form
 */
export async function sinkhorn(cost: Tensor, options: SinkhornOptions): Promise<TransportResult> {
  const settings = settingsOf('sinkhorn', options);
  settings.signal?.throwIfAborted();
  const dense = new DenseCost(settings.op, cost);
  try {
    return await solveProblem(dense, settings);
  } catch (error) {
    dense.dispose();
    throw error;
  }
}

async function solveProblem(cost: Cost, settings: Settings): Promise<TransportResult> {
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
    if (status === 'converged' && measured.marginalError > settings.tol) status = 'at-precision';
    if (status === 'at-precision' && measured.marginalError <= settings.tol) status = 'converged';
    return new TransportResult({ cost, eps, status, iterations: control.iterations, ...measured });
  } finally {
    plan?.dispose();
    tensors.rowMass.dispose();
    tensors.columnMass.dispose();
  }
}
