import { notNegative, optional, whole, word } from '../../core/schema.ts';
import type { Part } from '../base/part.ts';
import {
  type Coefficients,
  checkPolar,
  type Iteration,
  iterationOf,
  type OrthogonalMethod,
  warnOfRange,
  wrongCoefficients,
} from '../coefficients.ts';
import type { MatrixOptions } from './matrix.ts';
import type { MomentumForm } from './momentum.ts';

/** A floating dtype: what Newton–Schulz may compute in. */
export type NsDtype = 'f32' | 'f64' | 'f16' | 'bf16';

/** Momentum that goes through Newton–Schulz. */
export interface OrthogonalOptions extends MatrixOptions {
  /** Factor of the momentum, in [0, 1). Default 0.95. */
  momentum: number;
  /** heavy-ball takes 1 − dampening of the gradient. Default 0. */
  dampening: number;
  /** Orthogonalizes the look-ahead of the momentum. Default true. */
  nesterov: boolean;
  /** `ema` m ← β·m + (1 − β)·g, or `heavy-ball` m ← β·m + g. Default `ema`. */
  readonly momentumForm: MomentumForm;
  /** Steps of Newton–Schulz: a named set or a list of [a, b, c]. Default: `polar-express`; `jordan` for HybridAuON. */
  coefficients: Coefficients;
  /** How many steps, 0 to 100. Default: as many as the set has, 5 for most. */
  nsSteps: number | undefined;
  /**
   * `gram` takes the steps on the Gram matrix of the short side where the long one is twice as long or more: the same
   * in exact arithmetic, less work. `polar` gives the polar factor to rounding, orthogonal for condition numbers up to
   * 1e6 in f32 and 1e12 in f64, by 20 steps or 29 of its own: four times the work, without coefficients and nsSteps.
   * Default `newton-schulz`.
   */
  nsMethod: OrthogonalMethod;
  /**
   * The dtype of Newton–Schulz, after a norm in f64: `f32`, `f64`, `f16` or `bf16`, the last two with sums in f32.
   * Default f64 for f64 weights, else f32. Settled when the optimizer is made.
   */
  readonly nsDtype: NsDtype | undefined;
  /** Added to the norm. Default: the set's own, 1e-7 for most. */
  eps: number | undefined;
}

interface OrthogonalFields extends Iteration {
  readonly nsDtype: NsDtype | 'own';
  readonly nsMethod: OrthogonalMethod;
}

/** The momentum goes through Newton–Schulz. */
export const orthogonal = (
  coefficients: Coefficients,
): Part<
  Pick<OrthogonalOptions, 'coefficients' | 'nsSteps' | 'nsMethod' | 'nsDtype' | 'eps'>,
  never,
  OrthogonalFields
> => ({
  schema: {
    coefficients: { default: coefficients, wrong: wrongCoefficients },
    nsSteps: optional(whole(5, 0, 100)),
    nsMethod: word(['newton-schulz', 'gram', 'polar'], 'newton-schulz'),
    nsDtype: optional(word<NsDtype>(['f32', 'f64', 'f16', 'bf16'], 'f32', true)),
    eps: optional(notNegative(1e-7)),
  },
  checkOptions: (where, { nsMethod, coefficients: steps, nsSteps, nsDtype: dtype }) => {
    const names = { method: 'nsMethod', dtype: 'nsDtype' } as const;
    const given = steps === coefficients ? undefined : steps;
    if (nsMethod === 'polar') checkPolar(where, names, { coefficients: given, nsSteps, dtype });
    if (typeof steps !== 'string' && nsSteps !== 0) warnOfRange(where, steps, iterationOf(steps, nsSteps));
  },
  fields: ({ coefficients: steps, nsSteps, nsDtype = 'own' as const, nsMethod, eps }) => ({
    ...iterationOf(steps, nsSteps, eps, nsMethod),
    nsDtype,
    nsMethod,
  }),
});
