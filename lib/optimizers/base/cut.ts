import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';

/** The matrices of a weight, and a cut through each of them. */
export interface CutFields {
  /** The number of matrices, and their sides as they are stored. */
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  /** A method sees them transposed. The axis and the sizes of the cut are those that it sees. */
  readonly isTurned: boolean;
  /** True if blocks are batches, of rank 3, else they are matrices. */
  readonly isBatch: boolean;
  readonly axis: 0 | 1;
  readonly sizes: readonly number[];
}

/** A tensor in another order of its axes, as a copy. */
interface Move {
  readonly from: Tensor;
  readonly to: Tensor;
  readonly shape: readonly number[];
  readonly axes: readonly number[];
}

const move = ({ from, to, shape, axes }: Move): void =>
  ops.rearrange(from.device, { x: from, out: to, shape: [...shape], axes: [...axes] });
const moveBack = ({ from, to, shape, axes }: Move): void =>
  move({ from: to, to: from, shape: axes.map((axis) => shape[axis]!), axes: axes.map((_, i) => axes.indexOf(i)) });

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/** A weight cut into blocks, each of which a method steps as a weight of its own. */
export class Cut {
  /** The shape of each. */
  readonly shapes: readonly (readonly number[])[];
  /** True if they are rows of the weight, whose bytes they share. Others are copied for a step. */
  readonly areViews: boolean;
  readonly #fields: CutFields;

  constructor(fields: CutFields) {
    const { batch, rows, columns, isTurned, isBatch, axis, sizes } = fields;
    this.#fields = fields;
    this.areViews = !isTurned && (sizes.length === 1 || (axis === 0 && batch === 1));
    const sides = isTurned ? [columns, rows] : [rows, columns];
    this.shapes = sizes.map((size) => [...(isBatch ? [batch] : []), ...sides.with(axis, size)]);
  }

  /** The blocks of a tensor like the weight, where they are views; the caller disposes them. */
  views(tensor: Tensor): Tensor[] {
    const { rows, columns, sizes } = this.#fields;
    if (sizes.length === 1) return [tensor.reshape(this.shapes[0]!)];
    using owned = new Owned<Tensor>();
    using matrix = tensor.reshape([rows, columns]);
    let from = 0;
    const views = sizes.map((size) => {
      const view = owned.add(matrix.rows(from, from + size));
      from += size;
      return view;
    });
    owned.move();
    return views;
  }

  /** The blocks of a tensor like the weight, where they are copies; not filled yet. */
  copies(tensor: Tensor): BlockCopies {
    using owned = new Owned<Tensor>();
    const { batch, rows, columns, isTurned, axis, sizes } = this.#fields;
    const { device, dtype } = tensor;
    // Along the cut a block is a number of units. They come first in a copy of the whole: blocks are rows of it.
    const unit = sizes.reduce(commonDivisor) || 1;
    const [height, width] = isTurned ? [columns, rows] : [rows, columns];
    const count = (axis === 0 ? height : width) / unit;
    const matrix = axis === 0 ? [unit, width] : [height, unit];
    const whole = owned.add(new Tensor(device, [count, batch, ...matrix], dtype));
    const cutsRows = (axis === 0) !== isTurned;
    const shape = cutsRows ? [batch, count, unit, columns] : [batch, rows, count, unit];
    const sides = cutsRows ? [2, 3] : [1, 3];
    const axes = [cutsRows ? 1 : 2, 0, ...(isTurned ? sides.reverse() : sides)];
    const moves: Move[] = [{ from: tensor, to: whole, shape, axes }];
    let from = 0;
    const blocks = sizes.map((size, i) => {
      const units = size / unit;
      const part = owned.add(whole.rows(from, from + units));
      from += units;
      if (units <= 1 || (axis === 0 && batch === 1)) return owned.add(part.reshape(this.shapes[i]!));
      const block = owned.add(new Tensor(device, this.shapes[i]!, dtype));
      moves.push({ from: part, to: block, shape: part.shape, axes: axis === 0 ? [1, 0, 2, 3] : [1, 2, 0, 3] });
      return block;
    });
    return new BlockCopies(blocks, moves, owned.move());
  }
}

/** The blocks of one tensor as copies. */
export class BlockCopies {
  readonly blocks: readonly Tensor[];
  readonly #moves: readonly Move[];
  readonly #owned: Owned<Tensor>;

  constructor(blocks: readonly Tensor[], moves: readonly Move[], owned: Owned<Tensor>) {
    this.blocks = blocks;
    this.#moves = moves;
    this.#owned = owned;
  }

  /** Queues the copy from the tensor. */
  take(): void {
    for (const one of this.#moves) move(one);
  }

  /** Queues the copy to the tensor. */
  put(): void {
    for (const one of this.#moves.toReversed()) moveBack(one);
  }

  dispose(): void {
    this.#owned.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
