import { allOrNone, filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import {
  count,
  finite,
  flag,
  optional,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  whole,
  word,
} from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import { buffer } from './model/parameters.ts';

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
  /** As {@link linear} takes it. */
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

const schema: Schema<Resolved<InitOptions>> = {
  seed: required(whole(0, 0, 2 ** 53)),
  dtype: word(check.floating, 'f32'),
};
const normalSchema: Schema<{ deviation: number }> = { deviation: positive(0.02) };
const convSchema: Schema<Resolved<InitConv2dOptions, 'deviation'>> = {
  bias: flag(true),
  deviation: optional(positive(1)),
  groups: count(1),
};
const loraSchema: Schema<Resolved<InitLoraOptions>> = { rank: required(count(1)), scale: finite(1) };
const linearSchema: Schema<Resolved<InitLinearOptions>> = { bias: flag(true), ...normalSchema };

/**
 * Parameters for new networks. Each tensor is drawn from a sequence of its own of the seed.
 *
 * @example
 * const make = nn.init(device, { seed: 1 });
 * const mlp = { up: make.linear(784, 128), down: make.linear(128, 10) };
 *
 * @throws ERR_ARGUMENT for what is no device or option, and without a seed; of its functions for a
 * deviation that is not positive, and as {@link Tensor.randn}
 */
export function init(device: Device, options: InitOptions): Init {
  check.device('nn.init', 'device', device);
  const { seed, dtype } = readOptions('nn.init', options, schema);
  let stream = 0;
  const is16 = dtype === 'f16' || dtype === 'bf16';
  const normal = (shape: readonly number[], given: number): Tensor => {
    const { deviation } = readOptions('nn.init.normal', { deviation: given }, normalSchema);
    // Drawn and scaled in f32, rounded once.
    const wide = filled(Tensor.randn(device, shape, { seed, stream, dtype: is16 ? 'f32' : dtype }), (out) =>
      ops.linearCombination(device, { out: [out], terms: [out], coefficients: [deviation] }),
    );
    stream += 1;
    if (!is16) return wide;
    try {
      return wide.cast(dtype);
    } finally {
      wide.dispose();
    }
  };
  const full = (width: number, value: number, of = dtype): Tensor => Tensor.full(device, [width], value, { dtype: of });
  const layer = (makeWeight: () => Tensor, width: number, hasBias = true): NewLayer => {
    const [weight, bias] = allOrNone(makeWeight, ...(hasBias ? [() => full(width, 0)] : []));
    return { weight, ...(bias && { bias }) } as NewLayer;
  };
  return {
    normal,
    linear: (inputs, outputs, given = {}) => {
      const { bias, deviation } = readOptions('nn.init.linear', given, linearSchema);
      return layer(() => normal([outputs, inputs], deviation), outputs, bias);
    },
    conv2d: (inputs, outputs, size, given = {}) => {
      const { bias, deviation, groups } = readOptions('nn.init.conv2d', given, convSchema);
      if (inputs % groups !== 0 || outputs % groups !== 0)
        throw refusal('nn.init.conv2d', 'groups', `divide inputs and outputs, ${inputs} and ${outputs}`, groups);
      const shape = [outputs, size, size, inputs / groups];
      const own = Math.sqrt((2 * groups) / (size * size * inputs));
      return layer(() => normal(shape, deviation ?? own), outputs, bias);
    },
    batchNorm: (channels) => {
      const wide = is16 ? 'f32' : dtype;
      const makers = [1, 0, 0, 1].map((value, i) => () => full(channels, value, i < 2 ? dtype : wide));
      const [weight, bias, mean, variance] = allOrNone(...makers) as [Tensor, Tensor, Tensor, Tensor];
      return { weight, bias, mean: buffer(mean), variance: buffer(variance) };
    },
    lora: ({ weight }, given) => {
      const { rank, scale } = readOptions('nn.init.lora', given, loraSchema);
      check.tensor('nn.init.lora', 'weight', weight, { rank: 2, filled: true });
      const [outputs, inputs] = weight.shape as [number, number];
      const [a, b] = allOrNone(
        () => normal([rank, inputs], 1 / Math.sqrt(inputs)),
        () => Tensor.zeros(device, [outputs, rank], { dtype }),
      );
      return { lora: { a, b, scale } };
    },
    norm: (width) => layer(() => full(width, 1), width),
    table: (count, width) => ({ weight: normal([count, width], 0.02) }),
  };
}
