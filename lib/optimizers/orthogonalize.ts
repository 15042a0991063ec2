import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import type { Dtype } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { type Given, notNegative, optional, readOptions, type Schema, whole, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import {
  type Coefficients,
  iterationOf,
  type OrthogonalMethod,
  warnOfRange,
  wrongCoefficients,
} from './coefficients.ts';
import { checkForm, formOf, restartsOption, type Scaling } from './form.ts';
import type { NsDtype } from './parts/orthogonal.ts';

/** Options of {@link orthogonalize}; all may be left out. */
export interface OrthogonalizeOptions {
  /**
   * `gram` takes the steps of a matrix that is not square on the Gram matrix of its short side: the same in exact
   * arithmetic; what rounding spoils there takes plain steps · `auto`: gram where that is less work, by shape and dtype
   * alone, else `newton-schulz` · `polar` gives the polar factor to rounding, orthogonal for condition numbers up to
   * 1e6 in f32 and 1e12 in f64, by 20 steps or 29 of its own: four times the work, without coefficients and nsSteps.
   * Default `auto`.
   */
  method: OrthogonalMethod;
  /**
   * The scaling that brings singular values of x to 1 at most: `frobenius` over its norm · `schatten4` over ‖x·xᵀ‖^½,
   * which is nearer to the largest one · `aol` (Turbo-Muon) rows of the short side over the roots of what they have in
   * common with all, (Σⱼ|x·xᵀ|ᵢⱼ)^½, which makes singular values more equal and moves the polar factor a little: not
   * beside `polar`. Default `frobenius`.
   */
  scaling: Scaling;
  /** A named set or a list of [a, b, c]. Default `polar-express`; `aol4-fns` for `aol`. */
  coefficients: Coefficients | undefined;
  /** Number of steps, 0 to 100. Default: as many as the set has. */
  nsSteps: number | undefined;
  /**
   * For `gram` and `auto`: before these steps, counted from 0, x and its Gram matrix are made anew, a rising list.
   * Default: one for each three steps, where they keep the factors best conditioned.
   */
  restarts: readonly number[] | undefined;
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
  method: word(['auto', 'newton-schulz', 'gram', 'polar'], 'auto'),
  coefficients: optional<Coefficients>({ default: 'polar-express', wrong: wrongCoefficients }),
  nsSteps: optional(whole(5, 0, 100)),
  restarts: restartsOption,
  eps: optional(notNegative(1e-7)),
  dtype: optional(word<NsDtype>(['f32', 'f64', 'f16', 'bf16'], 'f32')),
};

const names = { method: 'method', scaling: 'scaling', restarts: 'restarts', dtype: 'dtype' } as const;

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
  const given = readOptions(where, options, schema);
  if (x.shape.length < 2) throw refusal(where, 'x', 'be a matrix or a batch of matrices', `[${x.shape}]`, 'ERR_SHAPE');
  const { scaling, coefficients, nsSteps, eps, dtype } = given;
  const named = scaling === 'aol' ? 'aol4-fns' : 'polar-express';
  const iteration = iterationOf(coefficients ?? named, nsSteps, eps, given.method);
  checkForm(where, names, iteration, given);
  if (coefficients !== undefined && typeof coefficients !== 'string' && nsSteps !== 0)
    warnOfRange(where, coefficients, iteration);

  const [rows = 1, columns = 1] = x.shape.slice(-2);
  const batch = x.shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const { normScale, ...steps } = iteration;
  const fields = { ...steps, scale: normScale, dtype: dtype ?? 'own', scaling, ...formOf(iteration, given) } as const;
  const { device } = x;
  using from = x.reshape([batch, rows, columns]);
  return filled(new Tensor(device, x.shape, x.dtype), (out) => {
    using to = out.reshape([batch, rows, columns]);
    ops.newtonSchulz(device, { x: from, out: to, ...fields });
  });
}
