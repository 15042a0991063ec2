import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Settings, TransportStatus } from '../options.ts';
import type { Control } from '../solvers/control.ts';
import type { Cost, CostRange, Pair } from './cost.ts';
import { type Marginals, marginalsOf } from './marginals.ts';
import { isBalanced } from './penalties.ts';

/** A problem that has been read and checked, with all that its solver needs. Tensors live as long as the call. */
export interface Problem<C extends Cost = Cost> {
  readonly cost: C;
  readonly settings: Settings;
  readonly control: Control;
  readonly owned: Owned;
  readonly marginals: Marginals;
  /** The marginals, f64. */
  readonly masses: Pair;
  readonly range: CostRange;
  /** Potentials to start from, f64. */
  readonly start: Pair;
  /** L1 error, of marginals of total 1, that numbers cannot tell from none. */
  readonly rounding: number;
  /** L1 error at which solvers stop, of marginals of total 1. */
  readonly goal: number;
}

/** @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for marginals, costs, starts and eps that do not fit */
export async function problemOf<C extends Cost>(
  cost: C,
  settings: Settings,
  control: Control,
  owned: Owned,
): Promise<Problem<C>> {
  const { op, eps, tol, penalties } = settings;
  const marginals = await marginalsOf(op, cost, settings, control, isBalanced(penalties));
  const masses = pairOf(cost, [marginals.a, marginals.b], owned);
  const range = await cost.range(op, control, masses);
  const start = pairOf(cost, await startOf(cost, marginals, settings, control), owned);
  const rounding = precision(op, cost, range, eps);
  const goal = goalOf(cost, tol / marginals.mass, rounding);
  return { cost, settings, control, owned, marginals, masses, range, start, rounding, goal };
}

/** Numbers of rows and of columns as tensors. */
export function pairOf({ device }: Cost, [rows, columns]: Numbers, owned: Owned): Pair {
  const tensor = (x: Float64Array) => owned.add(Tensor.from(device, x, [x.length]));
  return { rows: tensor(rows), columns: tensor(columns) };
}

type Numbers = readonly [rows: Float64Array, columns: Float64Array];

/** f64 has no digits for what is smaller beside a cost. */
const leastEps = 2 ** -52;

/**
 * The L1 error, of marginals of total 1, that numbers of the dtype cannot tell from none at the potentials' size.
 * @throws ERR_ARGUMENT where that is nothing.
 */
export function precision(
  op: string,
  cost: Pick<Cost, 'dtype'>,
  range: Pick<CostRange, 'least' | 'most'>,
  eps: number,
): number {
  const unit = cost.dtype === 'f32' ? 2 ** -21 : 2 ** -46;
  const size = Math.max(Math.abs(range.least), Math.abs(range.most), range.most - range.least);
  if (eps < leastEps * size) throw refusal(op, 'eps', `be at least ${leastEps * size} for this cost`, eps);
  return unit * Math.max(1, size / eps);
}

/** The error at which solvers stop: half the tolerance, for rounding; f32 cannot use much less than it can tell. */
const goalOf = ({ dtype }: Pick<Cost, 'dtype'>, tol: number, rounding: number): number =>
  Math.max(tol / 2, dtype === 'f32' ? rounding / 32 : 0);

/** Those of a warm start, or zeros; −infinity for a mass of 0. */
async function startOf(
  { device }: Cost,
  { a, b, mass }: Marginals,
  { op, eps, warmStart }: Settings,
  control: Control,
): Promise<Numbers> {
  const from = async (name: 'f' | 'g', masses: Float64Array): Promise<Float64Array> => {
    const none = (x: number, i: number) => (masses[i] === 0 ? -Infinity : x);
    if (!warmStart) return masses.map((_, i) => none(0, i));
    const tensor = warmStart[name];
    check.tensor(op, `warmStart.${name}`, tensor, { dtypes: check.arithmetic, shape: [masses.length], device });
    const share = (eps * Math.log(mass)) / 2;
    const numbers = Float64Array.from(await control.read(tensor));
    return numbers.map((x, i) => none(Number.isFinite(x) ? x - share : 0, i));
  };
  return await Promise.all([from('f', a), from('g', b)]);
}

/** The status of what is returned, which is rounded; masses that lack less than `tol` are carried. */
export function finalStatus(status: TransportStatus, error: number, tol: number, rounding: number): TransportStatus {
  if (error <= tol) return 'converged';
  if (status === 'max-iterations' || status === 'infeasible') return status;
  return error <= rounding ? 'at-precision' : 'max-iterations';
}
