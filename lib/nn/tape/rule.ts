// A function's result, and how to come back from it.
import type { Tensor } from '../../core/tensor.ts';
import type { TapeFrame } from './frame.ts';
import type { WriteProducts } from './sample-sums.ts';
import type { Arg, Result, Share } from './value.ts';

/** The ways by which a function hands gradients on to its inputs. All do nothing for an input that needs none. */
export interface Way {
  /**
   * For a kernel that adds: `write(out, beta)` makes out = result + beta · out. `perSample` writes the gradient of each
   * sample, `[samples, …]`. `over`: where beta is 0 it may write over the gradient that came in. `products`, with
   * `perSample: 'products'`, writes squares = |gᵢ|² and dots = ⟨gᵢ, mean⟩ of the samples' gradients, f64 `[samples]`;
   * without it they are made of what `perSample` writes. `last`: neither this kernel nor a later one of this function
   * reads x, so that where nobody else does it may write over x.
   */
  add(
    x: Arg | undefined,
    write: (out: Tensor, beta: 0 | 1) => void,
    perSample?: (out: Tensor, samples: number) => void,
    over?: boolean,
    products?: (samples: number) => WriteProducts,
    last?: boolean,
  ): void;
  /** Takes a gradient from a kernel that only writes. `over`: it may write over the gradient that came in. */
  set(x: Arg | undefined, write: (out: Tensor) => void, over?: boolean): void;
  /** Takes several gradients from one kernel; undefined for inputs that need none. */
  setAll(xs: readonly (Arg | undefined)[], write: (outs: readonly (Tensor | undefined)[]) => void): void;
  /** Takes several gradients from one kernel that adds, each with its beta: out = result + beta · out. */
  addAll(
    xs: readonly (Arg | undefined)[],
    write: (outs: readonly (Tensor | undefined)[], betas: readonly (0 | 1)[]) => void,
  ): void;
  /** A gradient that is there goes on, as that of a sum does. */
  pass(x: Arg | undefined, grad: Tensor): void;
}

/** The way of a loss: what it writes is multiplied by the gradient of the loss where that is on the device. */
export interface LossWay extends Pick<Way, 'set'> {
  /** The number of samples that have gradients of their own. */
  readonly samples: number | undefined;
  /** Hands `scale` times the gradient on to another loss. */
  scale(loss: Arg, scale: number): void;
}

/** A function's result, and how to come back from it. */
export interface Rule {
  /** A buffer of the frame. */
  readonly out: Tensor;
  /** Arguments that gradients go to; others are left out. */
  readonly inputs: readonly (Arg | undefined)[];
  /** Hands the gradient of the result on to the inputs. */
  backward(grad: Tensor, to: Way): void;
  /** out = the derivative of the result along `d(x)`, the tangent of each input; undefined where it is 0. */
  tangent?: ((d: (x: Arg | undefined) => Tensor | undefined, out: Tensor) => void) | undefined;
  /** True: the way back does not read the result, so that its gradient may take its place. Default: false. */
  readonly isFree?: boolean;
  /** For a loss of its first input alone: out = its second derivative, times v. */
  curvature?(v: Tensor, out: Tensor): void;
}

/** The same of a loss, f64[1]: its gradients, times a number that is known before any work runs. */
export interface LossRule extends Omit<Rule, 'backward' | 'curvature'> {
  backward(scale: number, to: LossWay): void;
  /** Hands on its second derivative by all inputs, times their tangents. */
  curvature?(d: (x: Arg | undefined) => Tensor | undefined, to: LossWay): void;
  /** The loss is the sum or the mean of what its samples alone would give. Default: perSample is refused. */
  readonly over?: 'sum' | 'mean';
}

/** The rule of a function that runs again on the way back: it takes over the gradient as it is. */
export interface AgainRule extends Omit<Rule, 'backward'> {
  again(gradient: Share | number): void;
}

export interface Entry {
  readonly name: string;
  readonly frame: TapeFrame;
  readonly out: Result;
  readonly rule: Rule | LossRule | AgainRule;
  readonly isLoss: boolean;
}
