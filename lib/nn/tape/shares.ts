import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import type { Result, Share } from './value.ts';

/** The tensor that a gradient is written to: out = result + beta · out, and then `end`. */
interface Target {
  readonly out: Tensor;
  readonly beta: 0 | 1;
  end(): void;
}
const end = (): void => {};

/** The gradients of results on the way back, in buffers of the arena; those of parameters are the caller's. */
export class Shares {
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /**
   * The tensor for the gradient of x, or for a part that `end` adds to it. `adds`: the kernel itself adds where beta
   * is 1.
   */
  begin(x: Result, adds: boolean, last = false): Target {
    if (x.gradient === undefined) return { out: this.#fresh(x, last && this.#mayTake(x)).tensor, beta: 0, end };
    if (adds) return { out: this.#own(x), beta: 1, end };
    const { shape, dtype } = this.share(x).tensor;
    const out = this.#arena.take(shape, dtype);
    return {
      out,
      beta: 0,
      end: () => {
        this.sum(x, out);
        this.#arena.give(out);
      },
    };
  }

  #fresh(x: Result, inPlace = false): Share {
    const share = { tensor: inPlace ? x.data : this.#new(x), owners: 1 };
    if (inPlace) x.home!.splice(x.home!.indexOf(x.data), 1);
    x.gradient = share;
    return share;
  }

  #new(x: Result): Tensor {
    return x.leaf ? x.leaf.gradient() : this.#arena.take(x.shape, x.dtype);
  }

  /** True where nobody reads x itself any more but the function that asks. */
  #mayTake({ uses, home, data }: Result): boolean {
    return uses === 1 && home !== undefined && home.includes(data) && !this.#arena.isPinned(data);
  }

  /** The gradient as a tensor, where it is the number of a loss. */
  share(x: Result): Share {
    const { gradient } = x;
    if (typeof gradient !== 'number') return gradient!;
    const share = this.#fresh(x);
    this.#arena.ops.fill({ x: [share.tensor], value: gradient });
    return share;
  }

  /** The gradient so far, and a buffer that nobody else holds, which may be the same. */
  #moved(x: Result): [from: Tensor, to: Tensor] {
    const share = this.share(x);
    if (share.owners === 1) return [share.tensor, share.tensor];
    share.owners -= 1;
    return [share.tensor, this.#fresh(x).tensor];
  }

  /** The gradient so far, in a buffer that nobody else holds. */
  #own(x: Result): Tensor {
    const [from, to] = this.#moved(x);
    if (from !== to) this.#arena.ops.copy({ x: [from], out: [to] });
    return to;
  }

  sum(x: Result, part: Tensor): void {
    const [from, to] = this.#moved(x);
    this.#arena.ops.linearCombination({ out: [to], terms: [from, part], coefficients: [1, 1] });
  }

  release(gradient: Share): void {
    gradient.owners -= 1;
    if (gradient.owners === 0) this.#arena.give(gradient.tensor);
  }
}
