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
  /** The elements, for a look from outside: they hold until the next call, and no gradient passes through them. */
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

/** From a parameter to what belongs to it, a gradient or a direction. One that does not matter is not there. */
export type PerParameter = ReadonlyMap<Tensor, Tensor>;

/** A gradient. Several results hold the same one until something is added for one of them. */
export interface Share {
  readonly tensor: Tensor;
  owners: number;
  /** Of a parameter: it is the caller's, and never goes back to the arena. */
  readonly isKept: boolean;
}

/** A parameter inside a call, and where its gradient goes. */
export interface Leaf {
  readonly path: string;
  readonly gradient: Tensor;
  /** The first axis of a gradient for each sample. */
  readonly samples: number | undefined;
}

export class Result implements Value {
  readonly tensor: Tensor;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** True: a parameter matters for it. */
  readonly isTracked: boolean;
  readonly leaf: Leaf | undefined;
  /** A tensor like it, or the number of a loss. */
  gradient: Share | number | undefined;
  tangent: Tensor | undefined;

  constructor(tensor: Tensor, isTracked: boolean, leaf?: Leaf) {
    this.tensor = tensor;
    this.shape = tensor.shape;
    this.dtype = tensor.dtype;
    this.isTracked = isTracked;
    this.leaf = leaf;
  }
}

export const isResult = (x: unknown): x is Result => x instanceof Result;
export const isTracked = (x: unknown): x is Result => isResult(x) && x.isTracked;
export const tangentOf = (x: Arg | undefined): Tensor | undefined => (isResult(x) ? x.tangent : undefined);
/** The tensor of an argument. What is neither tensor nor value is left for the operation to refuse. */
export const tensorOf = (x: Arg): Tensor => (isResult(x) ? x.tensor : (x as Tensor));
export const isArg = (x: unknown): x is Arg => isResult(x) || isTensor(x);
