import { allOrNone, filled } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { readOptions } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import { buffer } from '../model/parameters.ts';
import { convSchema, type InitOptions, linearSchema, loraSchema, normalSchema, schema } from './options.ts';
import type { Init, NewLayer } from './parameters.ts';

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
