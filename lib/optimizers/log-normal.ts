import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { type Given, optional, positive, readOptions, type Schema, whole } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';

/** Options of {@link initLogNormal}; all may be left out. */
export interface InitLogNormalOptions {
  /** The mean square of the numbers is gain²/fan. Default 1. */
  gain: number;
  /** Inputs of an output, > 0. Default: the elements of a row, all axes but the first; of a vector all. */
  fan: number | undefined;
  /** The mean of the sizes over their standard deviation, from 0.01 to 10⁶. Default 1.5. */
  ratio: number;
  /** Seed of sizes and signs: another one for each weight. Default 0. */
  seed: number;
}

/** Below, sizes differ so much that some are beyond f32. */
const leastRatio = 0.01;

const schema: Schema<InitLogNormalOptions> = {
  gain: positive(1),
  fan: optional(positive(1)),
  ratio: positive(1.5, 1e6),
  seed: whole(0, 0, 2 ** 32 - 1),
};

/**
 * Fills a weight with numbers whose sizes are log-normal and whose signs are random: where {@link EG} should start, as
 * few of them are near 0 (linclab/EG_optimiser). With s = gain/√(fan·(1 + ratio²)) sizes have the mean ratio·s and
 * the standard deviation s: exp(μ + σ·z) with σ² = ln(1 + 1/ratio²) and μ = ln(ratio²·s/√(1 + ratio²)), for a standard
 * normal z. The weight is f32 or f64. Queued; returns at once.
 *
 * @example
 * initLogNormal(weight, { seed: 1 });
 * @throws ERR_ARGUMENT for options out of range; ERR_DTYPE; ERR_DISPOSED; ERR_MEMORY
 */
export function initLogNormal(weight: Tensor, options: Given<InitLogNormalOptions> = {}): void {
  const where = 'initLogNormal';
  const { gain, fan, ratio, seed } = readOptions(where, options, schema);
  if (ratio < leastRatio) throw refusal(where, 'ratio', `be at least ${leastRatio}`, ratio);
  check.tensor(where, 'weight', weight, { dtypes: check.arithmetic });
  const { device, shape, dtype, size } = weight;
  const inputs = fan ?? Math.max(1, shape.length > 1 ? shape.slice(1).reduce((a, b) => a * b, 1) : size);
  const deviation = Math.sqrt(Math.log1p(ratio ** -2));
  const middle = (ratio ** 2 * gain) / Math.sqrt(inputs) / (1 + ratio ** 2);

  using signs = new Tensor(device, shape, dtype);
  ops.random(device, { x: [signs], distribution: 'rademacher', seed, stream: 1 });
  ops.random(device, { x: [weight], distribution: 'normal', seed });
  ops.linearCombination(device, { out: [weight], terms: [weight], coefficients: [deviation] });
  ops.map(device, { x: [weight], out: [weight], function: 'exp' });
  ops.multiply(device, { out: [weight], x: [weight], y: [signs] });
  ops.linearCombination(device, { out: [weight], terms: [weight], coefficients: [middle] });
}
