import { allOrNone, filled } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { refusal } from '../../core/errors.ts';
import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { isRecord } from '../../core/options.ts';
import { readOptions, type Schema, word } from '../../core/schema.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import { unchecked } from '../options.ts';
import {
  type Cost,
  type CostRange,
  gathered,
  type Pair,
  panelsOf,
  type Side,
  type SoftminOutputs,
  StoredCost,
} from './cost.ts';

/** Distances between points: |x − y|², |x − y|, Σ |xₖ − yₖ|. */
export type Metric = 'sqeuclidean' | 'euclidean' | 'l1';

/** Costs that are distances, computed each time they are needed. */
export interface PointClouds<D extends Dtype = Dtype> {
  /** A point a row: `[n, d]`, f32 or f64, finite. */
  readonly x: Tensor<D>;
  /** `[m, d]`, of the same dtype. */
  readonly y: Tensor<D>;
  /** Default: `'sqeuclidean'`. */
  readonly metric?: Metric | undefined;
}

const schema: Schema<{ x: unknown; y: unknown; metric: Metric }> = {
  x: unchecked(),
  y: unchecked(),
  metric: word<Metric>(['sqeuclidean', 'euclidean', 'l1'], 'sqeuclidean'),
};

/** Costs of point clouds; memory in proportion to the points. */
export class PointCost implements Cost {
  readonly device: Device;
  readonly rows: number;
  readonly columns: number;
  readonly dtype: 'f32' | 'f64';
  readonly metric: Metric;
  /** Share the caller's bytes, so that disposing of the caller's tensors does no harm. */
  readonly #x: Tensor;
  readonly #y: Tensor;

  /** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED */
  constructor(op: string, clouds: unknown) {
    const { x, y, metric } = readOptions(op, clouds, schema);
    const demands = { dtypes: check.arithmetic, rank: 2, filled: true };
    check.tensor(op, 'x', x, demands);
    check.tensor(op, 'y', y, { ...demands, device: x.device });
    if (y.dtype !== x.dtype) throw refusal(op, 'y', `have the dtype of x, ${x.dtype}`, y.dtype, 'ERR_DTYPE');
    if (y.shape[1] !== x.shape[1])
      throw refusal(op, 'y', `have the columns of x, ${x.shape[1]}`, y.shape[1], 'ERR_SHAPE');
    this.device = x.device;
    this.dtype = x.dtype;
    this.rows = x.shape[0]!;
    this.columns = y.shape[0]!;
    this.metric = metric;
    [this.#x, this.#y] = allOrNone(
      () => x.reshape(x.shape),
      () => y.reshape(y.shape),
    );
  }

  /** Eight coordinates take about as long as an exponential. */
  get work(): number {
    return this.rows * this.columns * (1 + this.dimension / 8);
  }

  /** Coordinates of a point. */
  get dimension(): number {
    return this.#x.shape[1]!;
  }

  /** 0, and the distance across the box of all points: no cost is above it. */
  async range(op: string, lane: Lane): Promise<CostRange> {
    return { least: 0, most: await this.#extent(op, lane), forbidden: 0, isReachable: true };
  }

  /** @throws ERR_ARGUMENT for points that are not finite, or so far apart that a distance would not be */
  async #extent(op: string, lane: Lane): Promise<number> {
    const d = this.dimension;
    const [least, most] = [new Float64Array(d).fill(Infinity), new Float64Array(d).fill(-Infinity)];
    const clouds: readonly ArrayLike<number>[] = await Promise.all([lane.read(this.#x), lane.read(this.#y)]);
    for (const [c, cloud] of clouds.entries())
      for (let at = 0; at < cloud.length; ++at) {
        const value = cloud[at]!;
        if (!Number.isFinite(value)) throw refusal(op, 'xy'[c]!, 'be finite', `${value} at ${at}`);
        const k = at % d;
        if (value < least[k]!) least[k] = value;
        if (value > most[k]!) most[k] = value;
      }
    const extent = most.map((x, k) => x - least[k]!);
    const across = this.metric === 'l1' ? extent.reduce((a, b) => a + b, 0) : extent.reduce((a, b) => a + b * b, 0);
    const farthest = this.metric === 'euclidean' ? Math.sqrt(across) : across;
    if (farthest > 1e300 || (this.dtype === 'f32' && farthest > 1e38))
      throw refusal(op, 'x and y', 'have finite distances', `one of ${farthest}`);
    return farthest;
  }

  /**
   * The same problem with its costs stored, for solvers that need the matrix.
   * @throws ERR_ARGUMENT for points without finite distances
   */
  async stored(op: string, lane: Lane): Promise<StoredCost> {
    await this.#extent(op, lane);
    using cost = this.#matrix(lane.queue);
    return new StoredCost(op, cost);
  }

  #matrix(queue: Device): Tensor {
    const { device, metric } = this;
    return filled(new Tensor(device, [this.rows, this.columns], this.dtype), (out) => {
      ops.pairwiseCosts(queue, { x: this.#x, y: this.#y, out, metric });
    });
  }

  softmin(queue: Device, side: Side, potential: Tensor, eps: number, out: SoftminOutputs): void {
    const [x, y] = side === 'rows' ? [this.#x, this.#y] : [this.#y, this.#x];
    ops.softmin(queue, { x, y, metric: this.metric, potential, eps, ...out });
  }

  /** Some rows at a time: the distances are f64, whatever the points are. */
  async plan(queue: Device, potentials: Pair, eps: number, out: Tensor): Promise<void> {
    const { device, rows } = this;
    using potential = potentials.rows.reshape([rows, 1]);
    using done = Tensor.zeros(device, [1], { dtype: 'f64' });
    for (const { index } of panelsOf(this)) {
      using cost = this.panel(queue, index);
      using own = gathered(queue, potential, index);
      using rowPotential = own.reshape([index.size]);
      using kernel = new Tensor(device, cost.shape, 'f64');
      ops.gibbsKernel(queue, { cost, rowPotential, columnPotential: potentials.columns, kernel, eps });
      using rounded = kernel.cast(this.dtype);
      ops.scatterRows(queue, { out, index, x: rounded, mode: 'set' });
      await done.read();
    }
  }

  panel(queue: Device, index: Tensor): Tensor {
    using x = gathered(queue, this.#x, index);
    using y = this.#y.cast('f64');
    return filled(new Tensor(this.device, [index.size, this.columns], 'f64'), (out) => {
      ops.pairwiseCosts(queue, { x, y, out, metric: this.metric });
    });
  }

  /** The coordinates of both clouds, in f64. */
  async coordinates(lane: Lane): Promise<{ x: Float64Array; y: Float64Array }> {
    using ofX = this.#x.cast('f64');
    using ofY = this.#y.cast('f64');
    const [x, y] = await Promise.all([lane.read(ofX), lane.read(ofY)]);
    return { x, y };
  }

  dispose(): void {
    this.#x.dispose();
    this.#y.dispose();
  }
}

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED */
export function costsOf(op: string, cost: unknown): StoredCost | PointCost {
  return isRecord(cost) && !isTensor(cost) ? new PointCost(op, cost) : new StoredCost(op, cost);
}
