import type { Tensor } from '../../core/tensor.ts';
import type { InitConv2dOptions, InitLinearOptions, InitLoraOptions } from './options.ts';

/** The factors of a new adapter: the layer's weight counts as weight + scale · b·a. */
export interface NewFactors {
  /** `[rank, inputs]`. */
  a: Tensor;
  /** `[outputs, rank]`. */
  b: Tensor;
  /** The share of their product. */
  scale: number;
}

/** A new adapter, for a linear layer. */
export interface NewAdapter {
  /** The factors, as {@link linear} takes them. */
  lora: NewFactors;
}

/** A new batch normalization. */
export interface NewBatchNorm extends NewLayer {
  /** The running mean `[channels]`, a buffer. */
  mean: Tensor;
  /** The running variance `[channels]`, a buffer. */
  variance: Tensor;
}

/** New parameters: of a linear layer, or of a normalization. */
export interface NewLayer {
  /** `[outputs, inputs]`, or `[width]`. */
  weight: Tensor;
  /** `[outputs]`, or `[width]`. */
  bias: Tensor;
}

/** Makes new parameters, one after the other from one seed: the same in the same order are the same bits. */
export interface Init {
  /** weight `[outputs, inputs]` of normal numbers, bias `[outputs]` of zeros. */
  linear(inputs: number, outputs: number, options?: InitLinearOptions): NewLayer;
  /** weight `[width]` of ones, bias `[width]` of zeros. */
  norm(width: number): NewLayer;
  /** weight `[count, width]` of normal numbers of deviation 0.02. */
  table(count: number, width: number): Pick<NewLayer, 'weight'>;
  /** Normal numbers; the deviation is positive. */
  normal(shape: readonly number[], deviation: number): Tensor;
  /** weight `[outputs, size, size, inputs / groups]` of normal numbers, bias `[outputs]` of zeros. */
  conv2d(inputs: number, outputs: number, size: number, options?: InitConv2dOptions): NewLayer;
  /**
   * weight `[channels]` of ones, bias of zeros, and running moments, f32 where those are of 16 bits: mean of zeros,
   * variance of ones.
   */
  batchNorm(channels: number): NewBatchNorm;
  /**
   * For a linear layer `[outputs, inputs]`: a `[rank, inputs]` of normal numbers of deviation 1 / √inputs, b
   * `[outputs, rank]` of zeros, so that it changes nothing at first.
   */
  lora(layer: { weight: Tensor }, options: InitLoraOptions): NewAdapter;
}
