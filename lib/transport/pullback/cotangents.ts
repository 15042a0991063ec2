import { OrthokitError } from '../../core/errors.ts';
import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { checkOptions, isRecord, shown } from '../../core/options.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import type { Gauge } from '../options.ts';
import type { Costs, Side } from '../problem/cost.ts';
import { hasMass } from '../problem/potentials.ts';
import { sumOf } from '../problem/sums.ts';
import type { PlanCotangent, Vectors } from './panels.ts';

/** A cotangent of the plan as left rightᵀ: that of a loss of `apply(v)` is its gradient on the left, v on the right. */
export interface PlanFactors {
  /** `[n, k]`, or `[n]` for k = 1; f32 or f64. */
  readonly left: Tensor;
  /** `[m, k]`, or `[m]`. */
  readonly right: Tensor;
}

/** The derivatives of a loss by what a result holds; 0 for those that are left out. */
export interface TransportCotangents {
  /** By the potentials of the rows, `[n]`, f32 or f64. Those of masses of 0 count for the gradient by these masses only. */
  readonly f?: Tensor | undefined;
  /** By the potentials of the columns, `[m]`. */
  readonly g?: Tensor | undefined;
  /** By the plan: `[n, m]`, f32 or f64, or in factors, which store nothing of that size. */
  readonly plan?: Tensor | PlanFactors | undefined;
  /** By `cost`, ⟨C, P⟩. */
  readonly cost?: number | undefined;
}

/** A cotangent that has been checked, sharing its bytes: the caller's tensor may go. A vector is a matrix where k may be 1. */
async function checked(
  name: string,
  value: unknown,
  shape: readonly (number | 'k')[],
  costs: Costs,
  lane: Lane,
): Promise<Tensor> {
  if (!isTensor(value))
    throw new OrthokitError('ERR_ARGUMENT', `pullback: ${name} must be a Tensor, got ${shown(value)}`);
  if (value.disposed) throw new OrthokitError('ERR_DISPOSED', `pullback: ${name} has been disposed`);
  if (value.device !== costs.device) throw new OrthokitError('ERR_DEVICE', `pullback: ${name} is on another device`);
  if (value.dtype !== 'f32' && value.dtype !== 'f64')
    throw new OrthokitError('ERR_DTYPE', `pullback: ${name} must be f32 or f64, got ${value.dtype}`);
  const own = shape[1] === 'k' && value.shape.length === 1 ? [value.size, 1] : value.shape;
  if (own.length !== shape.length || own.some((size, k) => (shape[k] === 'k' ? size < 1 : size !== shape[k])))
    throw new OrthokitError('ERR_SHAPE', `pullback: ${name} must have shape [${shape}], got [${value.shape}]`);
  const shared = value.reshape(own);
  try {
    using guard = new Tensor(costs.device, [1], 'f64');
    ops.checkFinite(lane.queue, { x: [shared], guard });
    if ((await lane.read(guard))[0] !== 0)
      throw new OrthokitError('ERR_ARGUMENT', `pullback: ${name} must be finite, got numbers that are not`);
    return shared;
  } catch (error) {
    shared.dispose();
    throw error;
  }
}

/** The cotangents of the potentials, on the host, and that of the plan, whose tensors `own` takes. */
export async function cotangentsOf(
  cotangents: TransportCotangents,
  costs: Costs,
  lane: Lane,
  own: (tensor: Tensor) => Tensor,
): Promise<Vectors & { plan: PlanCotangent }> {
  checkOptions('pullback', cotangents, ['f', 'g', 'plan', 'cost']);
  const { f, g, plan, cost = 0 } = cotangents;
  const { rows: n, columns: m } = costs;
  if (typeof cost !== 'number' || !Number.isFinite(cost))
    throw new OrthokitError('ERR_ARGUMENT', `pullback: cost must be a finite number, got ${shown(cost)}`);
  const vector = async (name: string, value: Tensor | undefined, size: number): Promise<Float64Array> => {
    if (value === undefined) return new Float64Array(size);
    using shared = await checked(name, value, [size], costs, lane);
    using exact = shared.cast('f64');
    return await lane.read(exact);
  };
  const rows = await vector('f', f, n);
  const columns = await vector('g', g, m);
  if (plan === undefined) return { rows, columns, plan: { cost } };
  if (isTensor(plan) || !isRecord(plan)) {
    const dense = own(await checked('plan', plan, [n, m], costs, lane));
    return { rows, columns, plan: { dense, cost } };
  }
  checkOptions('pullback: plan', plan, ['left', 'right']);
  const left = own(await checked('plan.left', plan.left, [n, 'k'], costs, lane));
  using right = await checked('plan.right', plan.right, [m, 'k'], costs, lane);
  if (right.shape[1] !== left.shape[1])
    throw new OrthokitError(
      'ERR_SHAPE',
      `pullback: plan.right must have the columns of plan.left, ${left.shape[1]}, got ${right.shape[1]}`,
    );
  return { rows, columns, plan: { factors: { left, right: own(right.cast('f64')) }, cost } };
}

/** Cotangents of potentials of which a shift is a free choice: what the choice of the gauge makes of them, of equal sums. */
export function regauged(cotangents: Vectors, potentials: Vectors, gauge: Gauge): Vectors {
  const masked = (side: Side) => cotangents[side].map((x, i) => (hasMass(potentials[side][i]!) ? x : 0));
  const [rows, columns] = [masked('rows'), masked('columns')];
  const excess = sumOf(rows) - sumOf(columns);
  if (gauge === 'last') {
    const last = potentials.columns.findLastIndex(hasMass);
    columns[last] = columns[last]! + excess;
    return { rows, columns };
  }
  const spread = (side: Side, x: Float64Array, by: number) => {
    const share = by / potentials[side].filter(hasMass).length;
    return x.map((y, i) => (hasMass(potentials[side][i]!) ? y + share : 0));
  };
  return { rows: spread('rows', rows, -excess / 2), columns: spread('columns', columns, excess / 2) };
}
