import type { Lane } from '../../core/lane.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import type { PointCost } from '../problem/points.ts';
import { across, outerSum, type Panel } from './panels.ts';

/** Below every distance of two points that is not 0, and with a finite inverse. */
const tiny = 2 ** -1000;

/**
 * A cotangent G of costs, which comes in panels, as one of the points: Σⱼ Gᵢⱼ ∂Cᵢⱼ/∂xᵢ and Σᵢ Gᵢⱼ ∂Cᵢⱼ/∂yⱼ. Slopes that
 * do not exist count as 0, as in `softmin`.
 */
export class PointSlopes {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly #costs: PointCost;
  readonly #lane: Lane;
  /** Coordinates from the middle of all points, so that less cancels. */
  readonly #ofX: Float64Array;
  readonly #ofY: Float64Array;
  /** For each coordinate, and for 1: G times what the columns have, and Gᵀ times what the rows have. */
  readonly #owned: Owned<Tensor>;
  readonly #yAndOne: Tensor;
  readonly #ofColumns: Tensor<'f64'>;
  readonly #minusY: readonly Tensor[];

  constructor(costs: PointCost, coordinates: { x: Float64Array; y: Float64Array }, lane: Lane) {
    const { device, columns, dimension: d } = costs;
    this.#costs = costs;
    this.#lane = lane;
    const middle = new Float64Array(d);
    const count = (coordinates.x.length + coordinates.y.length) / d;
    for (const cloud of [coordinates.x, coordinates.y])
      for (const [at, value] of cloud.entries()) middle[at % d] = middle[at % d]! + value / count;
    this.#ofX = coordinates.x.map((value, at) => value - middle[at % d]!);
    this.#ofY = coordinates.y.map((value, at) => value - middle[at % d]!);
    this.x = new Float64Array(this.#ofX.length);
    this.y = new Float64Array(this.#ofY.length);
    using owned = new Owned<Tensor>();
    this.#yAndOne = owned.add(withOnes(device, this.#ofY, d));
    this.#ofColumns = owned.add(Tensor.zeros(device, [columns, d + 1], { dtype: 'f64' }));
    this.#minusY = Array.from({ length: costs.metric === 'l1' ? d : 0 }, (_, k) =>
      owned.add(across(costs, coordinate(this.#ofY, k, d, -1))),
    );
    this.#owned = owned.move();
  }

  /** G is changed. */
  async add(panel: Panel, G: Tensor): Promise<void> {
    if (this.#costs.metric === 'l1') await this.#addSigns(panel, G);
    else await this.#addDifferences(panel, G);
  }

  /** Squared distances, and distances: the differences of points times weights, which are G, or G / C. */
  async #addDifferences({ first, cost }: Panel, weights: Tensor): Promise<void> {
    const { device, dimension: d, metric } = this.#costs;
    const { queue } = this.#lane;
    const count = weights.shape[0]!;
    if (metric === 'euclidean') {
      using sign = new Tensor(device, cost.shape, 'f64');
      using length = new Tensor(device, cost.shape, 'f64');
      ops.map(queue, { out: [sign], x: [cost], function: 'sign' });
      ops.map(queue, { out: [length], x: [cost], function: 'clamp', parameters: [tiny, Infinity] });
      ops.divide(queue, { out: [sign], x: [sign], y: [length] });
      ops.multiply(queue, { out: [weights], x: [weights], y: [sign] });
    }
    const own = this.#ofX.slice(first * d, (first + count) * d);
    using xAndOne = withOnes(device, own, d);
    using ofRows = new Tensor(device, [count, d + 1], 'f64');
    ops.gemm(queue, { a: weights, b: this.#yAndOne, c: ofRows });
    ops.gemm(queue, { a: weights, b: xAndOne, c: this.#ofColumns, transA: 'transposed', beta: 1 });
    this.x.set(differences(own, await this.#lane.read(ofRows), d), first * d);
  }

  /** L1 distances: the signs of the differences, coordinate by coordinate. */
  async #addSigns({ first }: Panel, G: Tensor): Promise<void> {
    const { device, dimension: d, columns } = this.#costs;
    const { queue } = this.#lane;
    const count = G.shape[0]!;
    using rowSums = new Tensor(device, [count], 'f64');
    using columnSums = new Tensor(device, [columns], 'f64');
    for (let k = 0; k < d; ++k) {
      using signs = outerSum(
        queue,
        coordinate(this.#ofX.subarray(first * d, (first + count) * d), k, d, 1),
        this.#minusY[k]!,
      );
      ops.map(queue, { out: [signs], x: [signs], function: 'sign' });
      ops.multiply(queue, { out: [signs], x: [signs], y: [G] });
      ops.rowReduce(queue, { x: signs, out: rowSums, reduction: 'sum' });
      ops.columnReduce(queue, { x: signs, out: columnSums, reduction: 'sum' });
      const [ofRows, ofColumns] = await Promise.all([this.#lane.read(rowSums), this.#lane.read(columnSums)]);
      for (let i = 0; i < count; ++i) this.x[(first + i) * d + k] = ofRows[i]!;
      for (let j = 0; j < columns; ++j) this.y[j * d + k] = this.y[j * d + k]! - ofColumns[j]!;
    }
  }

  /** After the last panel. */
  async finish(): Promise<void> {
    const { metric, dimension } = this.#costs;
    if (metric === 'l1') return;
    this.y.set(differences(this.#ofY, await this.#lane.read(this.#ofColumns), dimension));
    if (metric === 'euclidean') return;
    for (const slopes of [this.x, this.y]) for (let at = 0; at < slopes.length; ++at) slopes[at] = 2 * slopes[at]!;
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

const coordinate = (points: Float64Array, k: number, d: number, by: number): Float64Array =>
  Float64Array.from({ length: points.length / d }, (_, i) => by * points[i * d + k]!);

/** Points with a last coordinate of 1. */
function withOnes(device: Tensor['device'], points: Float64Array, d: number): Tensor {
  const count = points.length / d;
  const numbers = new Float64Array(count * (d + 1)).fill(1);
  for (let i = 0; i < count; ++i) numbers.set(points.subarray(i * d, (i + 1) * d), i * (d + 1));
  return Tensor.from(device, numbers, [count, d + 1]);
}

/** Σⱼ wⱼ (x − yⱼ), from Σⱼ wⱼ yⱼ and Σⱼ wⱼ. */
function differences(points: Float64Array, sums: Float64Array, d: number): Float64Array {
  return points.map((x, at) => {
    const i = Math.floor(at / d);
    return x * sums[i * (d + 1) + d]! - sums[i * (d + 1) + (at % d)]!;
  });
}
