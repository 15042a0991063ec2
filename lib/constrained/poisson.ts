import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import type { LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { kind, type Resolved, readOptions, type Schema, word } from '../core/schema.ts';
import { placeOf, Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

/** Options of {@link poissonOperator}. */
export interface PoissonOptions {
  /**
   * Points of the stencil: 5 or 9 of a grid of two axes, 7 of one of three. 9 is the compact one, of which the error of
   * smooth functions is of fourth order where the right side is averaged likewise. Default: 5, or 7.
   */
  points?: 5 | 7 | 9 | undefined;
  /** The dtype of its vectors. Default: `f64`. */
  dtype?: 'f32' | 'f64' | undefined;
}

const schema: Schema<Resolved<PoissonOptions, 'points'>> = {
  points: kind((x) => x === 5 || x === 7 || x === 9, '5, 7 or 9'),
  dtype: word(['f32', 'f64'], 'f64'),
};

/**
 * The Laplacian of a grid with values of 0 around it, times −h²: of two axes 4 at each point and −1 at its neighbours,
 * or with nine points 10/3, −2/3 and −1/6 at those of corners; of three axes 6 and −1. Symmetric and positive definite;
 * vectors hold the grid row by row.
 *
 * Memory: a vector, and one more for nine points.
 *
 * @param sizes Points of the grid along each axis, two or three: whole, from 1 on.
 * @example
 * const operator = poissonOperator(device, [64, 64], {});
 *
 * @throws ERR_ARGUMENT for what is no device, another dtype, and points of another number of axes; ERR_SHAPE for other
 * sizes; ERR_DISPOSED; ERR_MEMORY. A product throws for vectors that are not one number a point, of its dtype and
 * device
 */
export function poissonOperator(
  device: Device,
  sizes: readonly [number, number] | readonly [number, number, number],
  options: PoissonOptions = {},
): LinearOperator {
  const where = 'poissonOperator';
  check.device(where, 'device', device);
  const isGrid = Array.isArray(sizes) && (sizes.length === 2 || sizes.length === 3);
  if (!isGrid || !sizes.every((size) => Number.isSafeInteger(size) && size > 0))
    throw refusal(where, 'sizes', 'be two or three whole numbers from 1 on', Array.isArray(sizes) ? `[${sizes}]` : shown(sizes), 'ERR_SHAPE'); // biome-ignore format: one line
  const { dtype, points } = readOptions(where, options, schema);
  if (points !== undefined && (points === 7) !== (sizes.length === 3))
    throw refusal(where, 'points', sizes.length === 3 ? 'be 7 of three axes' : 'be 5 or 9 of two axes', points);
  const size = (sizes as readonly number[]).reduce((product, one) => product * one, 1);
  const axes = sizes.map((_, axis) => new SecondDifference(device, sizes, axis, dtype));
  const apply = (x: Tensor, out: Tensor): void => {
    for (const [name, one] of Object.entries({ x, out }))
      check.tensor(`${where}.apply`, name, one, { shape: [size], dtypes: [dtype], device });
    const [from, to] = [placeOf(x), placeOf(out)];
    if (from.block === to.block && from.begin < to.end && to.begin < from.end)
      throw refusal(`${where}.apply`, 'out', 'not share memory with x', 'one that does');
    using owned = new Owned<Tensor>();
    const room = owned.add(new Tensor(device, [size], dtype));
    vectors.scale(device, 2 * axes.length, x, out);
    for (const axis of axes) axis.lessNeighbours(1, x, out, room, owned);
    if (points !== 9) return;
    // The nine points are those of K₁ + K₂ − K₁ K₂ / 6.
    const [first, second] = axes as [SecondDifference, SecondDifference];
    const inner = owned.add(new Tensor(device, [size], dtype));
    vectors.scale(device, 2, x, inner);
    first.lessNeighbours(1, x, inner, room, owned);
    vectors.axpy(device, -2 / 6, inner, out);
    second.lessNeighbours(-1 / 6, inner, out, room, owned);
  };
  return { device, dtype, shape: [size, size], apply, adjoint: apply };
}

/** Neighbours along one axis of a grid, whose points before and behind it are 0. */
class SecondDifference {
  readonly #device: Device;
  /** Points along the axis, and the distance of two neighbours in a vector. */
  readonly #count: number;
  readonly #stride: number;
  /** 1 for points that have a neighbour behind them, and before them, within a turn of the axis; none of the first. */
  readonly #masks: readonly Tensor[];

  constructor(device: Device, sizes: readonly number[], axis: number, dtype: 'f32' | 'f64') {
    this.#device = device;
    this.#count = sizes[axis]!;
    this.#stride = sizes.slice(axis + 1).reduce((product, one) => product * one, 1);
    const [turn, stride] = [this.#count * this.#stride, this.#stride];
    const mask = (edge: number): Tensor => {
      const ones = Tensor.full(device, [turn], 1, { dtype });
      using none = ones.rows(edge * stride, (edge + 1) * stride);
      ops.fill(device, { x: [none], value: 0 });
      return ones;
    };
    this.#masks = axis === 0 || this.#count === 1 ? [] : [mask(this.#count - 1), mask(0)];
  }

  /** out −= factor · the sum of both neighbours in x; `room` is like both. */
  lessNeighbours(factor: number, x: Tensor, out: Tensor, room: Tensor, owned: Owned<Tensor>): void {
    if (this.#count === 1) return;
    const [device, size, stride] = [this.#device, x.size, this.#stride];
    const part = (of: Tensor, from: number, to: number): Tensor => owned.add(of.rows(from, to));
    const masked = (mask: Tensor | undefined): Tensor => {
      if (!mask) return x;
      const grid = [size / mask.size, mask.size];
      const from = owned.add(x.reshape(grid));
      ops.scaleAxis(device, { x: from, scale: mask, out: owned.add(room.reshape(grid)) });
      return room;
    };
    const [behind, before] = this.#masks;
    vectors.axpy(device, -factor, part(masked(behind), 0, size - stride), part(out, stride, size));
    vectors.axpy(device, -factor, part(masked(before), stride, size), part(out, 0, size - stride));
  }
}
