import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { epsilonOf } from '../core/dtypes.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { notNegative, positive, readOptions, required, type Schema, whole } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

/** Options of {@link dpClipAndNoise}. */
export interface DpClipAndNoiseOptions {
  /** The largest length of one sample's gradient: above 0. Longer ones are made as long. It has no default. */
  readonly clip: number;
  /** Deviation of the noise on the sum, over `clip`: not negative. It has no default. */
  readonly noiseMultiplier: number;
  /**
   * Seed of the noise: whole, 0 to 2^53. It has no default. Another one in each step: noise that comes twice can be
   * taken away.
   */
  readonly seed: number;
}

const schema: Schema<DpClipAndNoiseOptions> = {
  clip: required(positive(1)),
  noiseMultiplier: required(notNegative(0)),
  seed: required(whole(0, 0, 2 ** 53)),
};

/**
 * A mean of gradients of samples as DP-SGD takes it: each is cut to a length of `clip` at most, and normal noise of
 * deviation clip · noiseMultiplier is added to every element of their sum: (Σ gᵢ · min(1, clip/|gᵢ|) + noise) / n. A
 * NaN in a sample makes the result NaN, an infinity its element; nothing is waited for.
 *
 * The privacy that this gives is not counted here: an accountant is the caller's. One gradient of several
 * tensors must be one row, or each is clipped by itself. The noise is that of {@link Tensor.randn}, no cryptographic
 * generator.
 *
 * @param perSample `[n, d]`, f32 or f64: what `nn.valueAndGrad` gives with `perSample`, as rows; it stays as it is
 * @returns `[d]`, of the same dtype: a new tensor, the caller's.
 * @example
 * const noisy = dpClipAndNoise(perSample, { clip: 2, noiseMultiplier: 0.8, seed: step });
 *
 * @throws ERR_ARGUMENT for options; ERR_SHAPE for what is no matrix, or empty; ERR_DTYPE, ERR_DISPOSED; ERR_MEMORY
 */
export function dpClipAndNoise(perSample: Tensor, options: DpClipAndNoiseOptions): Tensor {
  const where = 'dpClipAndNoise';
  check.tensor(where, 'perSample', perSample, { rank: 2, dtypes: check.arithmetic, filled: true });
  const { clip, noiseMultiplier, seed } = readOptions(where, options, schema);
  const { device, dtype, shape } = perSample;
  const [samples, size] = shape as [number, number];
  using owned = new Owned<Tensor>();
  const lengths = owned.add(new Tensor(device, [samples], 'f64'));
  ops.rowReduce(device, { x: perSample, out: lengths, reduction: 'norm' });
  // clip/0 is infinite, and so 1 at the end. Factors that are rounded after that are still not above what they must be.
  const below = clip * (1 - epsilonOf(dtype));
  const factors = owned.add(Tensor.full(device, [samples], below, { dtype: 'f64' }));
  vectors.divide(device, factors, lengths, factors);
  ops.map(device, { x: [factors], out: [factors], function: 'clamp', parameters: [0, 1] });
  const row = owned.add(owned.add(factors.cast(dtype)).reshape([1, samples]));
  const noise = owned.add(Tensor.randn(device, [size], { seed, dtype: dtype as 'f32' }));
  return filled(new Tensor(device, [size], dtype), (out) => {
    using sums = out.reshape([1, size]);
    ops.gemm(device, { a: row, b: perSample, c: sums, alpha: 1 / samples });
    vectors.axpy(device, (clip * noiseMultiplier) / samples, noise, out);
  });
}
