import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import type { Result, Share } from './value.ts';

/** The gradients of results on the way back, in buffers of the arena; those of parameters are the caller's. */
export class Shares {
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** Writes the gradient of x, or a part that is added to it. */
  written(x: Result, write: (out: Tensor) => void): void {
    if (x.gradient === undefined) {
      write(this.fresh(x).tensor);
      return;
    }
    const { shape, dtype } = this.share(x).tensor;
    const part = this.#arena.take(shape, dtype);
    write(part);
    this.sum(x, part);
    this.#arena.give(part);
  }

  fresh(x: Result): Share {
    const share = { tensor: x.leaf ? x.leaf.gradient() : this.#arena.take(x.shape, x.dtype), owners: 1 };
    x.gradient = share;
    return share;
  }

  /** The gradient as a tensor, where it is the number of a loss. */
  share(x: Result): Share {
    const { gradient } = x;
    if (typeof gradient !== 'number') return gradient!;
    const share = this.fresh(x);
    ops.fill(this.#arena.device, { x: [share.tensor], value: gradient });
    return share;
  }

  /** The gradient so far, and a buffer that nobody else holds, which may be the same. */
  #moved(x: Result): [from: Tensor, to: Tensor] {
    const share = this.share(x);
    if (share.owners === 1) return [share.tensor, share.tensor];
    share.owners -= 1;
    return [share.tensor, this.fresh(x).tensor];
  }

  /** The gradient so far, in a buffer that nobody else holds. */
  own(x: Result): Tensor {
    const [from, to] = this.#moved(x);
    if (from !== to) ops.copy(this.#arena.device, { x: [from], out: [to] });
    return to;
  }

  sum(x: Result, part: Tensor): void {
    const [from, to] = this.#moved(x);
    ops.linearCombination(this.#arena.device, { out: [to], terms: [from, part], coefficients: [1, 1] });
  }

  release(gradient: Share): void {
    gradient.owners -= 1;
    if (gradient.owners === 0) this.#arena.give(gradient.tensor);
  }
}
