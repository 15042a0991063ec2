import { OrthokitError } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import { type Arg, isTracked, type Result, type Share } from './value.ts';

type Input = Arg | undefined;

/** How a function hands gradients on to its inputs. All do nothing for an input that needs none. */
export interface Way {
  /**
   * For a kernel that adds: `write(out, beta)` makes out = result + beta · out. `perSample` writes the gradient of each
   * sample, `[samples, …]`.
   */
  add(x: Input, write: (out: Tensor, beta: 0 | 1) => void, perSample?: (out: Tensor, samples: number) => void): void;
  /** For a kernel that only writes. `over`: it may write over the gradient that came in. */
  set(x: Input, write: (out: Tensor) => void, over?: boolean): void;
  /** For several results of one kernel; undefined for inputs that need none. */
  setAll(xs: readonly Input[], write: (outs: readonly (Tensor | undefined)[]) => void): void;
  /** The gradient that came in goes on, as that of a sum does. */
  pass(x: Input, grad: Tensor): void;
}

export class Backward implements Way {
  readonly #arena: Arena;
  #current!: Share;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** From here on, the gradient that came in is this one. */
  begin(gradient: Share): void {
    this.#current = gradient;
  }

  release(gradient: Share): void {
    gradient.owners -= 1;
    if (gradient.owners === 0 && !gradient.isKept) this.#arena.give(gradient.tensor);
  }

  add(x: Input, write: (out: Tensor, beta: 0 | 1) => void, perSample?: (out: Tensor, samples: number) => void): void {
    if (!isTracked(x)) return;
    const samples = x.leaf?.samples;
    if (samples !== undefined) {
      if (!perSample) throw refusedSamples(x);
      this.#each(x, samples, perSample);
    } else if (x.gradient === undefined) write(this.#fresh(x).tensor, 0);
    else write(this.#own(x), 1);
  }

  set(x: Input, write: (out: Tensor) => void, over = false): void {
    if (!isTracked(x)) return;
    if (x.leaf?.samples !== undefined) throw refusedSamples(x);
    const current = this.#current;
    const isFree = over && current !== undefined && current.owners === 1 && !current.isKept;
    if (x.gradient === undefined) {
      if (isFree && !x.leaf) {
        current.owners += 1;
        x.gradient = current;
        write(current.tensor);
      } else write(this.#fresh(x).tensor);
      return;
    }
    const part = isFree ? current.tensor : this.#arena.take(x.shape, x.dtype);
    write(part);
    this.#sum(x, part);
    if (!isFree) this.#arena.give(part);
  }

  setAll(xs: readonly Input[], write: (outs: readonly (Tensor | undefined)[]) => void): void {
    const parts: [Result, Tensor][] = [];
    const outs = xs.map((x) => {
      if (!isTracked(x)) return undefined;
      if (x.leaf?.samples !== undefined) throw refusedSamples(x);
      if (x.gradient === undefined) return this.#fresh(x).tensor;
      const part = this.#arena.take(x.shape, x.dtype);
      parts.push([x, part]);
      return part;
    });
    if (outs.every((out) => out === undefined)) return;
    write(outs);
    for (const [x, part] of parts) {
      this.#sum(x, part);
      this.#arena.give(part);
    }
  }

  pass(x: Input, grad: Tensor): void {
    if (!isTracked(x)) return;
    if (x.leaf?.samples !== undefined) throw refusedSamples(x);
    if (x.gradient !== undefined) this.#sum(x, grad);
    else if (x.leaf) ops.copy(this.#arena.device, { x: [grad], out: [this.#fresh(x).tensor] });
    else {
      this.#current.owners += 1;
      x.gradient = this.#current;
    }
  }

  #each(x: Result, samples: number, write: (out: Tensor, samples: number) => void): void {
    if (x.gradient === undefined) {
      write(this.#fresh(x).tensor, samples);
      return;
    }
    const { tensor } = x.gradient as Share;
    const part = this.#arena.take(tensor.shape, tensor.dtype);
    write(part, samples);
    this.#sum(x, part);
    this.#arena.give(part);
  }

  #fresh(x: Result): Share {
    const { leaf } = x;
    const tensor = leaf ? leaf.gradient : this.#arena.take(x.shape, x.dtype);
    const share = { tensor, owners: 1, isKept: leaf !== undefined };
    x.gradient = share;
    return share;
  }

  /** The gradient so far, in a buffer that nobody else holds. */
  #own(x: Result): Tensor {
    const share = x.gradient as Share;
    if (share.owners === 1) return share.tensor;
    share.owners -= 1;
    const { tensor } = this.#fresh(x);
    ops.copy(this.#arena.device, { x: [share.tensor], out: [tensor] });
    return tensor;
  }

  #sum(x: Result, part: Tensor): void {
    const share = x.gradient as Share;
    let { tensor } = share;
    if (share.owners > 1) {
      share.owners -= 1;
      ({ tensor } = this.#fresh(x));
    }
    ops.linearCombination(this.#arena.device, { out: [tensor], terms: [share.tensor, part], coefficients: [1, 1] });
  }
}

const refusedSamples = (x: Result): OrthokitError =>
  new OrthokitError(
    'ERR_UNSUPPORTED',
    `nn.valueAndGrad: perSample must meet functions that have it, and that of ${x.leaf?.path} has not, got perSample`,
  );
