import type { Dtype } from '../../core/dtypes.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';

/**
 * A result inside a call of `orthokit/nn`. It is not a {@link Tensor}: an operation that the tape does not see refuses
 * it, rather than cut the gradient.
 */
export interface Value {
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** The type of the elements. */
  readonly dtype: Dtype;
  /**
   * The elements, for a look from outside: asked for inside the call, they hold until the next one. No gradient passes
   * through them.
   */
  readonly tensor: Tensor;
}

/** An argument of a function: a tensor, which is a constant, or the result of another function. */
export type Arg = Tensor | Value;

/** The same object with values where its tensors are; methods stay. */
export type Traced<T> = T extends Tensor | Value
  ? Arg
  : T extends (...args: never[]) => unknown
    ? T
    : T extends readonly (infer U)[]
      ? readonly Traced<U>[]
      : T extends object
        ? { [K in keyof T]: Traced<T[K]> }
        : T;

/** The same result with tensors where values are. */
export type Plain<T> = T extends Tensor
  ? T
  : T extends Value
    ? Tensor
    : T extends readonly unknown[]
      ? { [K in keyof T]: Plain<T[K]> }
      : T extends object
        ? { [K in keyof T]: Plain<T[K]> }
        : T;

/** Map from a parameter to what belongs to it, a gradient or a direction. One that does not matter is not there. */
export type PerParameter = ReadonlyMap<Tensor, Tensor>;

/** A gradient. Several results hold the same one until something is added for one of them. */
export interface Share {
  readonly tensor: Tensor;
  owners: number;
}

/** A parameter inside a call, and where its gradient goes. */
export interface Leaf {
  readonly path: string;
  /** Made where it is asked for. */
  gradient(): Tensor;
}

/** A tape, as its values know it. */
export interface Owner {
  /** Keeps a buffer until the next call. @throws ERR_STATE once the call has ended */
  pin(tensor: Tensor): void;
}

export class Result implements Value {
  /** The tape on which it was written. */
  readonly tape: Owner;
  readonly data: Tensor;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** True: a parameter matters for it. */
  readonly isTracked: boolean;
  readonly leaf: Leaf | undefined;
  /** The number of times that a function was given it. */
  uses = 0;
  /** The buffers that go with its function, where its own may be given to its gradient. */
  home: Tensor[] | undefined;
  /** A tensor like it, or the number of a loss. */
  gradient: Share | number | undefined;
  tangent: Tensor | undefined;

  constructor(tape: Owner, data: Tensor, isTracked: boolean, leaf?: Leaf) {
    this.tape = tape;
    this.data = data;
    this.shape = data.shape;
    this.dtype = data.dtype;
    this.isTracked = isTracked;
    this.leaf = leaf;
  }

  get tensor(): Tensor {
    if (!this.leaf) this.tape.pin(this.data);
    return this.data;
  }
}

export const isResult = (x: unknown): x is Result => x instanceof Result;
export const isTracked = (x: unknown): x is Result => isResult(x) && x.isTracked;
export const tangentOf = (x: Arg | undefined): Tensor | undefined => (isResult(x) ? x.tangent : undefined);
/** True for the result of a loss; a parameter of one element is none. */
export const isLoss = (x: unknown): x is Result =>
  isResult(x) && !x.leaf && x.dtype === 'f64' && String(x.shape) === '1';
/** The tensor of an argument. What is neither tensor nor value is left for the operation to refuse. */
export const tensorOf = (x: Arg): Tensor => (isResult(x) ? x.data : (x as Tensor));
export const isArg = (x: unknown): x is Arg => isResult(x) || isTensor(x);
