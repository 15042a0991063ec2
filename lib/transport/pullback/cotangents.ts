import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { isRecord } from '../../core/options.ts';
import type { Owned } from '../../core/owned.ts';
import { kind, type Option, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import type { Gauge } from '../options.ts';
import type { Cost, Side } from '../problem/cost.ts';
import { hasMass, sumOf } from '../problem/potentials.ts';
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
  /**
   * The loss's gradient by the potentials of the rows, `[n]`, f32 or f64. Those of masses of 0 count for the gradient
   * by these only.
   */
  readonly f?: Tensor | undefined;
  /** Its gradient by the potentials of the columns, `[m]`. */
  readonly g?: Tensor | undefined;
  /** Its gradient by the plan: `[n, m]`, f32 or f64, or in factors, which store nothing of that size. */
  readonly plan?: Tensor | PlanFactors | undefined;
  /** Its derivative by `cost`, ⟨C, P⟩. */
  readonly cost?: number | undefined;
}

const schema: Schema<Resolved<TransportCotangents, 'f' | 'g' | 'plan'>> = {
  f: check.tensorOption,
  g: check.tensorOption,
  plan: kind(isRecord, 'a Tensor'),
  cost: { ...kind<number>(Number.isFinite, 'a finite number'), default: 0 } as Option<number>,
};
const factorSchema: Schema<Partial<PlanFactors>> = { left: check.tensorOption, right: check.tensorOption };

/** A cotangent that has been checked, sharing its bytes: the tensor may go. A vector is a matrix where k may be 1. */
async function checked(
  name: string,
  value: unknown,
  shape: readonly (number | undefined)[],
  { device }: Cost,
  lane: Lane,
): Promise<Tensor> {
  check.tensor('pullback', name, value, { dtypes: check.arithmetic, device });
  const isColumn = shape.length === 2 && shape[1] === undefined && value.shape.length === 1;
  check.tensor('pullback', name, value, { shape: isColumn ? [shape[0]] : shape, filled: true });
  const shared = value.reshape(isColumn ? [value.size, 1] : value.shape);
  try {
    using guard = new Tensor(device, [1], 'f64');
    ops.checkFinite(lane.queue, { x: [shared], guard });
    if ((await lane.read(guard))[0] !== 0) throw refusal('pullback', name, 'be finite', 'numbers that are not');
    return shared;
  } catch (error) {
    shared.dispose();
    throw error;
  }
}

/** The cotangents of the potentials, on the host, and that of the plan, whose tensors `owned` takes. */
export async function cotangentsOf(
  cotangents: TransportCotangents,
  costs: Cost,
  lane: Lane,
  owned: Owned<Tensor>,
): Promise<Vectors & { plan: PlanCotangent }> {
  const { f, g, plan, cost } = readOptions('pullback', cotangents, schema);
  const { rows: n, columns: m } = costs;
  const matrix = async (name: string, value: unknown, rows: number, columns?: number): Promise<Tensor> =>
    owned.add(await checked(name, value, [rows, columns], costs, lane));
  const vector = async (name: string, value: Tensor | undefined, size: number): Promise<Float64Array> => {
    if (value === undefined) return new Float64Array(size);
    using shared = await checked(name, value, [size], costs, lane);
    using exact = shared.cast('f64');
    return await lane.read(exact);
  };
  const rows = await vector('f', f, n);
  const columns = await vector('g', g, m);
  if (plan === undefined) return { rows, columns, plan: { cost } };
  if (isTensor(plan)) return { rows, columns, plan: { dense: await matrix('plan', plan, n, m), cost } };
  const factors = readOptions<Partial<PlanFactors>>('pullback', plan, factorSchema, 'plan');
  const left = await matrix('plan.left', factors.left, n);
  const right = await matrix('plan.right', factors.right, m);
  if (right.shape[1] !== left.shape[1]) {
    const must = `have the columns of plan.left, ${left.shape[1]}`;
    throw refusal('pullback', 'plan.right', must, right.shape[1], 'ERR_SHAPE');
  }
  return { rows, columns, plan: { factors: { left, right: owned.add(right.cast('f64')) }, cost } };
}

/** Cotangents of potentials of which a shift is free: what the choice of the gauge makes of them, of equal sums. */
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
