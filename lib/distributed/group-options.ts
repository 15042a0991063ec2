import { flag, notNegative, type Option, type Resolved, type Schema, word } from '../core/schema.ts';

/** Options of every call of a group. */
export interface CallOptions {
  /**
   * The name of the call, 1 to 60 printable ASCII characters: all ranks must come with the same one, and messages have
   * it. Default: that of the method.
   */
  tag?: string | undefined;
}

/** Options of sums over ranks. */
export interface SumOptions extends CallOptions {
  /** The sum over all ranks, or the mean. Default: `'sum'`. */
  op?: 'sum' | 'mean' | undefined;
  /**
   * With `'mean'`: the weight of this rank, such as the number of its samples; finite, not negative. The mean is Σ
   * weight · x / Σ weight, a rank of weight 0 has no part in it whatever its numbers, and without any weight the mean
   * is 0. Default: 1.
   */
  weight?: number | undefined;
}

/** Options of {@link Group.allReduce}. */
export interface ReduceOptions extends SumOptions {
  /**
   * True: numbers of rank 0, 1, 2 … are added in this order in f64 and rounded once, by any engine, on any machine.
   * False: in the engine's own way, halves in f32; it may be faster for few bytes. Default: true.
   */
  deterministic?: boolean | undefined;
}

const tagOption = (value: string): Option<string> => ({
  default: value,
  wrong: (x) =>
    typeof x === 'string' && /^[ -~]{1,60}$/.test(x) ? undefined : 'must be 1 to 60 printable ASCII characters',
});
/** @param tag of calls that are given none */
export const tagged = (tag: string): Schema<Resolved<CallOptions>> => ({ tag: tagOption(tag) });
const summed = (tag: string): Schema<Resolved<SumOptions>> => ({
  ...tagged(tag),
  op: word(['sum', 'mean'], 'sum'),
  weight: notNegative(1),
});
export const reduced: Schema<Resolved<ReduceOptions>> = { ...summed('all-reduce'), deterministic: flag(true) };
export const partly: Schema<Resolved<SumOptions>> = summed('reduce-scatter');
