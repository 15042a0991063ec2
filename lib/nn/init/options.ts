import * as check from '../../core/check.ts';
import {
  count,
  finite,
  flag,
  optional,
  positive,
  type Resolved,
  required,
  type Schema,
  whole,
  word,
} from '../../core/schema.ts';

/** Options of {@link init}. */
export interface InitOptions {
  /** Whole, 0 to 2^53. */
  seed: number;
  /** The dtype of all parameters. Default: f32. */
  dtype?: 'f32' | 'f64' | 'f16' | 'bf16' | undefined;
}

/** Options of {@link Init.linear}. */
export interface InitLinearOptions {
  /** Default: true. */
  bias?: boolean | undefined;
  /** The standard deviation of the weights: positive. Default: 0.02. */
  deviation?: number | undefined;
}

/** Options of {@link Init.conv2d}. */
export interface InitConv2dOptions extends Pick<InitLinearOptions, 'bias'> {
  /** The standard deviation of weights: positive. Default: √(2 / elements of one output's kernel) (He et al. 2015). */
  deviation?: number | undefined;
  /** Groups of channels, each with kernels of its own; they divide inputs and outputs. Default: 1. */
  groups?: number | undefined;
}

/** Options of {@link Init.lora}. */
export interface InitLoraOptions {
  /** Rows of `a`: whole, from 1 on. It has no default. */
  rank: number;
  /** The factor of the product: finite. Default: 1. */
  scale?: number | undefined;
}

export const schema: Schema<Resolved<InitOptions>> = {
  seed: required(whole(0, 0, 2 ** 53)),
  dtype: word(check.floating, 'f32'),
};
export const normalSchema: Schema<{ deviation: number }> = { deviation: positive(0.02) };
export const convSchema: Schema<Resolved<InitConv2dOptions, 'deviation'>> = {
  bias: flag(true),
  deviation: optional(positive(1)),
  groups: count(1),
};
export const loraSchema: Schema<Resolved<InitLoraOptions>> = { rank: required(count(1)), scale: finite(1) };
export const linearSchema: Schema<Resolved<InitLinearOptions>> = { bias: flag(true), ...normalSchema };
