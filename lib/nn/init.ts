import { allOrNone, filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import { flag, positive, type Resolved, readOptions, required, type Schema, whole, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';

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
}

const schema: Schema<Resolved<InitOptions>> = {
  seed: required(whole(0, 0, 2 ** 53)),
  dtype: word(check.floating, 'f32'),
};
const normalSchema: Schema<{ deviation: number }> = { deviation: positive(0.02) };
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
  const full = (width: number, value: number): Tensor => Tensor.full(device, [width], value, { dtype });
  const layer = (makeWeight: () => Tensor, width: number): NewLayer => {
    const [weight, bias] = allOrNone(makeWeight, () => full(width, 0));
    return { weight, bias };
  };
  return {
    normal,
    linear: (inputs, outputs, given = {}) => {
      const { bias, deviation } = readOptions('nn.init.linear', given, linearSchema);
      const weight = () => normal([outputs, inputs], deviation);
      return bias ? layer(weight, outputs) : ({ weight: weight() } as NewLayer);
    },
    norm: (width) => layer(() => full(width, 1), width),
    table: (count, width) => ({ weight: normal([count, width], 0.02) }),
  };
}
