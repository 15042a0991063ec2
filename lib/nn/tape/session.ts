import type { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';

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
  /** Parameters of the model: met outside their places in it, they would be silent constants. */
  readonly parameters?: ReadonlyMap<Tensor, unknown> | undefined;
}

/** The call that runs, as functions see it. */
export interface Session {
  readonly arena: Arena;
  readonly options: TapeOptions;
  /** A place in the sequence for so many numbers; none in a call without a seed. */
  draw(count: number): Place | undefined;
  /** A parameter in the dtype of products, rounded once a call. */
  rounded(tensor: Tensor, dtype: 'bf16' | 'f16'): Tensor;
}
