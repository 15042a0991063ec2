import { allOrNone } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
import { OrthokitError } from '../../core/errors.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Settings } from '../options.ts';
import type { TransportStatus } from '../result.ts';
import type { Control } from '../solvers/control.ts';
import type { CostRange, Costs, Pair } from './cost.ts';
import type { Marginals } from './marginals.ts';

/** f64 has no digits for what is smaller beside a cost. */
const leastEps = 2 ** -52;

/**
 * The L1 error, of marginals of total 1, that numbers of the dtype cannot tell from none at the potentials' size.
 * @throws ERR_ARGUMENT where that is nothing.
 */
export function precision(
  op: string,
  cost: Pick<Costs, 'dtype'>,
  range: Pick<CostRange, 'least' | 'most'>,
  eps: number,
): number {
  const unit = cost.dtype === 'f32' ? 2 ** -21 : 2 ** -46;
  const size = Math.max(Math.abs(range.least), Math.abs(range.most), range.most - range.least);
  if (eps < leastEps * size)
    throw new OrthokitError('ERR_ARGUMENT', `${op}: eps must be at least ${leastEps * size} for this cost, got ${eps}`);
  return unit * Math.max(1, size / eps);
}

/** The error at which solvers stop: half of the tolerance leaves room for rounding the potentials, and f32 cannot use much less than it can tell. */
export const goalOf = ({ dtype }: Pick<Costs, 'dtype'>, tol: number, floor: number): number =>
  Math.max(tol / 2, dtype === 'f32' ? floor / 32 : 0);

/** Potentials to start from, f64: those of a warm start, or zeros; −infinity for a mass of 0. */
export async function startOf(cost: Costs, marginals: Marginals, settings: Settings, control: Control): Promise<Pair> {
  const { device } = cost;
  const { warmStart, op } = settings;
  const from = async (name: 'f' | 'g', masses: Float64Array): Promise<Float64Array> => {
    const size = masses.length;
    let numbers = new Float64Array(size);
    if (warmStart) {
      const tensor = warmStart[name];
      check.tensor(op, `warmStart.${name}`, tensor, { dtypes: check.arithmetic, shape: [size], device });
      numbers = Float64Array.from(await control.read(tensor));
      const share = (settings.eps * Math.log(marginals.mass)) / 2;
      for (const [i, x] of numbers.entries()) numbers[i] = Number.isFinite(x) ? x - share : 0;
    }
    for (const [i, mass] of masses.entries()) if (mass === 0) numbers[i] = -Infinity;
    return numbers;
  };
  const [f, g] = await Promise.all([from('f', marginals.a), from('g', marginals.b)]);
  const [rows, columns] = allOrNone(
    () => Tensor.from(device, f, [f.length]),
    () => Tensor.from(device, g, [g.length]),
  );
  return { rows, columns };
}

/** The status by what is returned: the solver saw its own numbers only, before they were rounded; masses that lack less than `tol` are carried. */
export function honest(status: TransportStatus, error: number, tol: number, floor: number): TransportStatus {
  if (error <= tol) return 'converged';
  if (status === 'max-iterations' || status === 'infeasible') return status;
  return error <= floor ? 'at-precision' : 'max-iterations';
}
