import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Dtype } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { type Given, notNegative, optional, readOptions, type Schema, whole, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import {
  type Coefficients,
  checkPolar,
  iterationOf,
  type OrthogonalMethod,
  warnOfRange,
  wrongCoefficients,
} from './coefficients.ts';
import type { NsDtype } from './parts/orthogonal.ts';
import { type Scaling, scaleByGram } from './scaled.ts';

/** Options of {@link orthogonalize}; all may be left out. */
export interface OrthogonalizeOptions {
  /**
   * `gram` takes the steps on the Gram matrix of the short side where the long one is twice as long or more: the same
   * in exact arithmetic, less work. `polar` gives the polar factor to rounding, orthogonal for condition numbers up to
   * 1e6 in f32 and 1e12 in f64, by 20 steps or 29 of its own: four times the work, without coefficients and nsSteps.
   * Default `newton-schulz`.
   */
  method: OrthogonalMethod;
  /**
   * How x comes to singular values of at most 1: `frobenius` over its norm · `schatten4` over ‖x·xᵀ‖^½, which is nearer
   * to the largest one · `aol` (Turbo-Muon) rows of the short side over the roots of what they have in common with all,
   * (Σⱼ|x·xᵀ|ᵢⱼ)^½, which makes singular values more equal and moves the polar factor a little: not beside `polar`.
   * Default `frobenius`.
   */
  scaling: Scaling;
  /** A named set or a list of [a, b, c]. Default `polar-express`; `aol4-fns` for `aol`. */
  coefficients: Coefficients | undefined;
  /** How many steps, 0 to 100. Default: as many as the set has. */
  nsSteps: number | undefined;
  /** Added to the norm. Default: the set's own, 1e-7 for most. */
  eps: number | undefined;
  /**
   * The dtype it computes in, after a norm in f64: `f32`, `f64`, `f16` or `bf16`, the last two with sums in f32.
   * Default f64 for f64 tensors, else f32.
   */
  dtype: NsDtype | undefined;
}

const schema: Schema<OrthogonalizeOptions> = {
  scaling: word(['frobenius', 'schatten4', 'aol'], 'frobenius'),
  method: word(['newton-schulz', 'gram', 'polar'], 'newton-schulz'),
  coefficients: optional<Coefficients>({ default: 'polar-express', wrong: wrongCoefficients }),
  nsSteps: optional(whole(5, 0, 100)),
  eps: optional(notNegative(1e-7)),
  dtype: optional(word<NsDtype>(['f32', 'f64', 'f16', 'bf16'], 'f32')),
};

/**
 * The approximate polar factor U·Vᵀ of each matrix U·Σ·Vᵀ in `x`, of shape [… batch, m, n], as a new tensor of x's
 * dtype (Newton–Schulz, as in Muon). Queued; returns at once.
 *
 * @example
 * const q = orthogonalize(x, { coefficients: 'jordan' });
 * @throws ERR_SHAPE for rank 0 and 1, ERR_DTYPE for integers, ERR_ARGUMENT, ERR_UNSUPPORTED
 */
export function orthogonalize<D extends Dtype>(x: Tensor<D>, options: Given<OrthogonalizeOptions> = {}): Tensor<D> {
  const where = 'orthogonalize';
  check.tensor(where, 'x', x, { dtypes: check.floating });
  const { method, scaling, coefficients, nsSteps, eps, dtype } = readOptions(where, options, schema);
  if (x.shape.length < 2) throw refusal(where, 'x', 'be a matrix or a batch of matrices', `[${x.shape}]`, 'ERR_SHAPE');
  if (method === 'polar') checkPolar(where, { method: 'method', dtype: 'dtype' }, { coefficients, nsSteps, dtype });
  if (method === 'polar' && scaling === 'aol')
    throw refusal(where, 'scaling', 'be one that keeps the polar factor for method polar', scaling);

  const [rows = 1, columns = 1] = x.shape.slice(-2);
  const batch = x.shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const named = scaling === 'aol' ? 'aol4-fns' : 'polar-express';
  const { normScale, ...iteration } = iterationOf(coefficients ?? named, nsSteps, eps, method);
  if (coefficients !== undefined && typeof coefficients !== 'string' && nsSteps !== 0)
    warnOfRange(where, coefficients, { normScale, ...iteration });
  const { device } = x;
  const working = dtype ?? 'own';
  using from = x.reshape([batch, rows, columns]);
  return filled(new Tensor(device, x.shape, x.dtype), (out) => {
    using to = out.reshape([batch, rows, columns]);
    if (scaling === 'frobenius')
      return ops.newtonSchulz(device, { x: from, out: to, ...iteration, scale: normScale, dtype: working, method });
    using owned = new Owned<Tensor>();
    const made = (like: Tensor): Tensor => owned.add(new Tensor(device, like.shape, like.dtype));
    const wide = x.dtype === 'f64' || dtype === 'f64' ? 'f64' : 'f32';
    const input = from.dtype === wide ? from : owned.add(from.cast(wide));
    const norm1 = made(input);
    // Without steps it divides by the norm alone, and with no share of the norm by 0 · ‖x‖ + normScale.
    ops.newtonSchulz(device, { x: input, out: norm1, eps: iteration.eps });
    const isTall = rows > columns;
    const short = isTall ? owned.add(new Tensor(device, [batch, columns, rows], wide)) : norm1;
    if (isTall) ops.transpose(device, { x: norm1, out: short });
    scaleByGram(short, scaling);
    ops.newtonSchulz(device, {
      ...{ x: short, out: short, ...iteration, dtype: working, method },
      ...{ scale: Number.MIN_VALUE, eps: normScale },
    });
    if (isTall) ops.transpose(device, { x: short, out: norm1 });
    ops.cast(device, { x: [norm1], out: [to] });
  });
}
