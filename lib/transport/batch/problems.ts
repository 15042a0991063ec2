import { abortable } from '../../core/abortable.ts';
import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import { shown } from '../../core/options.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import type { Masses } from '../options.ts';
import { arrayOf, haveOneTotal, totalOf } from '../problem/marginals.ts';

type MassLists = readonly Exclude<Masses, Tensor>[] | undefined;

/** Costs in one tensor, `[B, n, m]`. */
export interface Stacked {
  readonly cost: Tensor<'f32' | 'f64'>;
  /** The sizes of each problem, before it was filled up. */
  readonly sizes: readonly (readonly [rows: number, columns: number])[];
}

/** Matrices of any sizes as one batch: what is beyond a smaller one has no mass. */
export async function stacked(
  op: string,
  costs: Tensor | readonly Tensor[],
  signal: AbortSignal | undefined,
): Promise<Stacked> {
  const demands = { dtypes: check.arithmetic, filled: true };
  if (isTensor(costs)) {
    const cost: unknown = costs;
    check.tensor(op, 'costs', cost, { ...demands, rank: 3 });
    const [batch, n, m] = cost.shape as [number, number, number];
    return { cost: cost.reshape(cost.shape), sizes: Array.from({ length: batch }, () => [n, m] as const) };
  }
  if (!Array.isArray(costs) || costs.length === 0)
    throw refusal(op, 'costs', 'be a batch or a list of matrices', shown(costs));
  const list: Tensor<'f32' | 'f64'>[] = [];
  // A hole of a list is looked at, too.
  for (const [k, cost] of (costs as readonly unknown[]).entries()) {
    const [first] = list;
    const one = first ? { dtypes: [first.dtype], device: first.device } : {};
    check.tensor(op, `costs[${k}]`, cost, { ...demands, rank: 2, ...one });
    list.push(cost);
  }
  const { device, dtype } = list[0]!;
  const sizes = list.map(({ shape }) => [shape[0]!, shape[1]!] as const);
  const [n, m] = [Math.max(...sizes.map(([rows]) => rows)), Math.max(...sizes.map(([, columns]) => columns))];
  const elements = await abortable(Promise.all(list.map((cost) => cost.read())), signal);
  const all = dtype === 'f32' ? new Float32Array(list.length * n * m) : new Float64Array(list.length * n * m);
  for (const [k, [rows, columns]] of sizes.entries()) {
    const own = elements[k]!;
    // A problem is filled up with one of its own costs, so that their range stays.
    all.fill(own.find((x) => Number.isFinite(x)) ?? 0, k * n * m, (k + 1) * n * m);
    for (let i = 0; i < rows; ++i) all.set(own.subarray(i * columns, (i + 1) * columns), (k * n + i) * m);
  }
  return { cost: Tensor.from(device, all, [list.length, n, m]), sizes };
}

/** Each problem's masses in a row as long as the longest. */
function stackedMasses(
  op: string,
  name: 'a' | 'b',
  masses: MassLists,
  sizes: readonly number[],
  width: number,
): { rows: Float64Array; totals: number[] } {
  if (masses !== undefined && (!Array.isArray(masses) || masses.length !== sizes.length))
    throw refusal(op, name, `be a list of ${sizes.length} lists`, shown(masses));
  const rows = new Float64Array(sizes.length * width);
  const totals = sizes.map((size, k) => {
    const field = `${name}[${k}]`;
    const own = masses === undefined ? new Float64Array(size).fill(1 / size) : arrayOf(op, field, masses[k], size);
    rows.set(own, k * width);
    return totalOf(op, field, own);
  });
  return { rows, totals };
}

/**
 * Masses of all rows and of all columns, each problem's filled up to the width and scaled to one total.
 * @throws ERR_ARGUMENT for masses that are negative, not finite, or of unequal totals; ERR_SHAPE
 */
export function stackedMarginals(
  op: string,
  sizes: Stacked['sizes'],
  [n, m]: readonly [number, number],
  ofRows: MassLists,
  ofColumns: MassLists,
): [a: Float64Array, b: Float64Array] {
  const sizesOf = (side: 0 | 1) => sizes.map((size) => size[side]);
  const a = stackedMasses(op, 'a', ofRows, sizesOf(0), n);
  const b = stackedMasses(op, 'b', ofColumns, sizesOf(1), m);
  for (const [k, total] of a.totals.entries()) {
    const other = b.totals[k]!;
    const isGiven = ofRows !== undefined && ofColumns !== undefined;
    if (isGiven && !haveOneTotal(total, other))
      throw refusal(op, `b[${k}]`, `have the total of a[${k}], ${total}`, other);
    // The side that was given sets the total.
    const [rows, width, by] = ofRows === undefined ? [a.rows, n, other / total] : [b.rows, m, total / other];
    for (let i = k * width; i < (k + 1) * width; ++i) rows[i] = rows[i]! * by;
  }
  return [a.rows, b.rows];
}
