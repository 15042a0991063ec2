import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { scale } from '../../core/vectors.ts';
import { type CostRange, StoredCost } from '../problem/cost.ts';
import type { Control } from '../solvers/control.ts';

/** A problem of a batch, without what fills it up. */
export interface BatchProblem {
  readonly rows: number;
  readonly columns: number;
  /** Elements from one row of `costs` to the next. */
  readonly stride: number;
  readonly costs: Float32Array | Float64Array;
  readonly a: Float64Array;
  readonly b: Float64Array;
}

/** `'whole'`: no pair is forbidden; `'partial'`: each mass can go somewhere; `'barred'`: some only where is none. */
export type Support = 'whole' | 'partial' | 'barred';

/** A batch on its way: its problems, filled up to the widths `[n, m]` of the costs. */
export interface Batch {
  readonly op: string;
  readonly eps: number;
  readonly tol: number;
  readonly control: Pick<Control, 'queue' | 'read' | 'readAll'>;
  /** `[B, n, m]` */
  readonly cost: Tensor<'f32' | 'f64'>;
  readonly sizes: readonly (readonly [rows: number, columns: number])[];
  readonly a: Float64Array;
  readonly b: Float64Array;
  /** Potentials, `[B, n]` and `[B, m]`. */
  readonly f: Tensor<'f64'>;
  readonly g: Tensor<'f64'>;
  /** L1 error that numbers cannot tell from none, for costs of the whole batch and masses of total 1. */
  readonly rounding: number;
  /** Pairs that each problem has; undefined where none of the batch is forbidden. */
  readonly supports: readonly Support[] | undefined;
}

export function problemOf(
  { cost, sizes, a, b }: Pick<Batch, 'cost' | 'sizes' | 'a' | 'b'>,
  costs: BatchProblem['costs'],
  k: number,
): BatchProblem {
  const [, n, m] = cost.shape as [number, number, number];
  const [rows, columns] = sizes[k]!;
  return {
    rows,
    columns,
    stride: m,
    costs: costs.subarray(k * n * m, (k + 1) * n * m),
    a: a.subarray(k * n, k * n + rows),
    b: b.subarray(k * m, k * m + columns),
  };
}

/** The problem on the host, and the potentials of its rows: for few of a batch. */
export async function onHost(batch: Batch): Promise<(k: number) => [problem: BatchProblem, ofRows: Float64Array]> {
  const [costs, potentials] = await batch.control.readAll(batch.cost, batch.f);
  const [, n] = batch.cost.shape as [number, number];
  return (k) => [problemOf(batch, costs, k), potentials.subarray(k * n, k * n + batch.sizes[k]![0])];
}

/** Found by {@link batchRange}. */
interface BatchRange extends CostRange {
  /** The largest range of a problem; of the whole batch where pairs are forbidden. */
  readonly widest: number;
}

/** The range of the costs of the whole batch. @throws ERR_ARGUMENT for NaN and -Infinity */
export async function batchRange(op: string, cost: Tensor, lane: Lane): Promise<BatchRange> {
  const [batch, n, m] = cost.shape as [number, number, number];
  using owned = new Owned();
  const zeros = (size: number) => owned.add(Tensor.zeros(cost.device, [size], { dtype: 'f64' }));
  const all = owned.add(new StoredCost(op, owned.add(cost.reshape([batch * n, m])), 'costs'));
  const range = await all.range(op, lane, { rows: zeros(batch * n), columns: zeros(m) });
  return { ...range, widest: range.forbidden > 0 ? range.most - range.least : await widestRange(cost, lane) };
}

async function widestRange(cost: Tensor, lane: Lane): Promise<number> {
  const { device } = cost;
  const [batch, n, m] = cost.shape as [number, number, number];
  using problems = cost.reshape([batch, n * m]);
  using negative = new Tensor(device, [batch, n * m], cost.dtype);
  scale(lane.queue, -1, problems, negative);
  using most = new Tensor(device, [batch], 'f64');
  using least = new Tensor(device, [batch], 'f64');
  ops.rowReduce(lane.queue, { x: problems, out: most, reduction: 'max' });
  ops.rowReduce(lane.queue, { x: negative, out: least, reduction: 'max' });
  const [largest, smallest] = await Promise.all([lane.read(most), lane.read(least)]);
  return largest.reduce((widest, x, k) => Math.max(widest, x + smallest[k]!), 0);
}

/** Least and largest finite cost of a problem; 0 where there is none. */
export function problemRange({ rows, columns, stride, costs }: BatchProblem): Pick<CostRange, 'least' | 'most'> {
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < rows; ++i)
    for (let j = 0; j < columns; ++j) {
      const cost = costs[i * stride + j]!;
      if (cost < Infinity) [least, most] = [Math.min(least, cost), Math.max(most, cost)];
    }
  return least <= most ? { least, most } : { least: 0, most: 0 };
}
