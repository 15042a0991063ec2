import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import type { Arg, Owner } from './value.ts';

/** A place in a sequence of random numbers. */
export interface Place {
  readonly seed: number;
  readonly stream: number;
  readonly offset: number;
}

export interface TapeOptions {
  /** True: there is a way back. */
  readonly isRecording: boolean;
  readonly random?: Place | undefined;
  /** The dtype of products of linear layers, where it is not their own. */
  readonly products?: 'bf16' | 'f16' | undefined;
  /** So many samples have gradients of their own. */
  readonly samples?: number | undefined;
  /** Parameters of the model: met outside their places in it, they would be silent constants. */
  readonly parameters?: ReadonlyMap<Tensor, string> | undefined;
}

/** The call that runs, as functions see it. */
export interface Session extends Owner {
  readonly arena: Arena;
  readonly options: TapeOptions;
  /** A place in the sequence for so many numbers; none in a call without a seed. */
  draw(count: number): Place | undefined;
  /** A tensor in the dtype of products, rounded once a call where it is a parameter. */
  rounded(x: Arg, dtype: 'bf16' | 'f16'): Tensor;
}
