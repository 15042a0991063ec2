import { filled } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal } from '../../core/errors.ts';
import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';

/** Vectors of a problem, f64: one element a row, one a column. */
export interface Pair {
  readonly rows: Tensor<'f64'>;
  readonly columns: Tensor<'f64'>;
}

type Fields<Name extends string> = Readonly<Record<`row${Name}` | `column${Name}`, Tensor<'f64'>>>;

/** Operands of operations. */
export const massFields = ({ rows, columns }: Pair): Fields<'Mass'> => ({ rowMass: rows, columnMass: columns });
export const potentialFields = ({ rows, columns }: Pair): Fields<'Potential'> => ({
  rowPotential: rows,
  columnPotential: columns,
});
export const scaleFields = ({ rows, columns }: Pair): Fields<'Scale'> => ({ rowScale: rows, columnScale: columns });

/** Found by {@link Cost.range}. */
export interface CostRange {
  readonly least: number;
  readonly most: number;
  /** Number of forbidden pairs. */
  readonly forbidden: number;
  /** True if each mass can go somewhere that has mass. */
  readonly isReachable: boolean;
}

/** Left behind by sweeps in the log domain: exp((f + g − C) / eps), and scales that multiply its columns. */
export interface Stored {
  readonly kernel: Tensor;
  readonly columnScale: Tensor;
}

/** Sums of a plan over rows and columns, and ⟨C, P⟩. */
export interface PlanSums {
  readonly rows: Float64Array;
  readonly columns: Float64Array;
  readonly linear: number;
  /** L1 error of the marginals, if it comes with the sums. */
  readonly marginalError?: number;
}

/** A side of a problem. */
export type Side = 'rows' | 'columns';

/** Written by {@link Cost.softmin}: the fields of the operation of that name. */
export interface SoftminOutputs {
  logSums: Tensor;
  ownPotential?: Tensor;
  meanCosts?: Tensor;
  values?: Tensor;
  averages?: Tensor;
  gradients?: Tensor;
}

/** Costs for results and solvers that store no matrix. Operations go into the given queue: the device, or a lane. */
export interface Cost {
  readonly device: Device;
  readonly rows: number;
  readonly columns: number;
  /** The dtype of potentials and plans. */
  readonly dtype: 'f32' | 'f64';
  /** The exponentials that a pass over all pairs takes. */
  readonly work: number;
  /** @throws ERR_ARGUMENT for costs that make no problem */
  range(op: string, lane: Lane, masses: Pair): Promise<CostRange>;
  /** For each of a side, the smooth minimum over the other one, whose potential is given. */
  softmin(queue: Device, side: Side, potential: Tensor, eps: number, out: SoftminOutputs): void;
  /** Writes the plan of potentials, each element rounded once to the dtype of `out`, which is that of the costs. */
  plan(queue: Device, potentials: Pair, eps: number, out: Tensor): Promise<void>;
  /** The costs of some rows, in f64. */
  panel(queue: Device, index: Tensor): Tensor;
  dispose(): void;
}

/** Elements of a panel: tens of rows on the CPU, whose caches it is to stay in; enough to fill a GPU. */
const panelElements = { cpu: 2 ** 18, cuda: 2 ** 22 } as const;

/** All rows of a problem, a panel at a time; the index of a panel goes when the next one comes. */
export function* panelsOf({ device, rows, columns }: Cost): Generator<{ first: number; index: Tensor<'i32'> }> {
  const height = Math.max(1, Math.floor(panelElements[device.kind] / columns));
  for (let first = 0; first < rows; first += height) {
    using index = vectors.index(device, Math.min(height, rows - first), (i) => first + i);
    yield { first, index };
  }
}

/** Rows of a matrix, in f64. */
export function gathered(queue: Device, matrix: Tensor, index: Tensor): Tensor<'f64'> {
  const { device, dtype } = matrix;
  const shape = [index.size, matrix.shape[1]!];
  const rows = filled(new Tensor(device, shape, dtype), (out) => {
    ops.gatherRows(queue, { x: matrix, index, out });
  });
  if (dtype === 'f64') return rows as Tensor<'f64'>;
  using _rows = rows;
  return filled(new Tensor(device, shape, 'f64'), (out) => ops.cast(queue, { out: [out], x: [rows] }));
}

/** A matrix of costs. */
export class StoredCost implements Cost {
  readonly device: Device;
  readonly rows: number;
  readonly columns: number;
  readonly dtype: 'f32' | 'f64';
  /** Shares the caller's bytes, so that disposing of the caller's tensor does no harm. */
  readonly #cost: Tensor;
  readonly #name: string;

  /** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED */
  constructor(op: string, cost: unknown, name = 'cost') {
    check.tensor(op, name, cost, { dtypes: check.arithmetic, rank: 2, filled: true });
    this.device = cost.device;
    this.dtype = cost.dtype;
    this.rows = cost.shape[0]!;
    this.columns = cost.shape[1]!;
    this.#cost = cost.reshape(cost.shape);
    this.#name = name;
  }

  async range(op: string, lane: Lane, masses: Pair): Promise<CostRange> {
    using statistics = new Tensor(this.device, [8], 'f64');
    ops.costRange(lane.queue, { cost: this.#cost, ...massFields(masses), statistics });
    const [least, most, bad, forbidden, bareRows, bareColumns, barredRows, barredColumns] = await lane.read(statistics);
    const refuse = (must: string, got: string): never => {
      throw refusal(op, this.#name, must, got);
    };
    if (bad! > 0) refuse('be neither NaN nor -Infinity', `${bad} of them`);
    if (bareRows! + bareColumns! > 0)
      refuse('have a finite element for every mass', `${bareRows} rows and ${bareColumns} columns without`);
    return { least: least!, most: most!, forbidden: forbidden!, isReachable: barredRows! + barredColumns! === 0 };
  }

  get work(): number {
    return this.rows * this.columns;
  }

  softmin(queue: Device, side: Side, potential: Tensor, eps: number, out: SoftminOutputs): void {
    ops.softmin(queue, { cost: this.#cost, of: side, potential, eps, ...out });
  }

  gibbsKernel(queue: Device, potentials: Pair, eps: number, kernel: Tensor): void {
    ops.gibbsKernel(queue, { cost: this.#cost, ...potentialFields(potentials), kernel, eps });
  }

  async plan(queue: Device, potentials: Pair, eps: number, out: Tensor): Promise<void> {
    this.gibbsKernel(queue, potentials, eps, out);
  }

  panel(queue: Device, index: Tensor): Tensor {
    return gathered(queue, this.#cost, index);
  }

  /** With `stored`, the last sweep leaves a kernel and the scales of its columns. */
  logSweeps(
    queue: Device,
    masses: Pair,
    potentials: Pair,
    eps: number,
    count: number,
    statistics: Tensor,
    stored?: Stored,
  ): void {
    const operands = { cost: this.#cost, ...massFields(masses), ...potentialFields(potentials), statistics };
    ops.logSweeps(queue, { ...operands, ...stored, eps, sweeps: count });
  }

  planSums(queue: Device, masses: Pair, potentials: Pair, eps: number, sums: Pair, statistics: Tensor): void {
    const operands = { cost: this.#cost, ...massFields(masses), ...potentialFields(potentials), statistics };
    ops.planSums(queue, { ...operands, rowSums: sums.rows, columnSums: sums.columns, eps });
  }

  dispose(): void {
    this.#cost.dispose();
  }
}
