import { OrthokitError } from '../core/errors.ts';
import { flag, fraction, notNegative, type Option, optional, type Schema, whole, word } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { type Coefficients, iterationOf, warnOfRange, wrongCoefficients } from './coefficients.ts';
import type { CommonOptions } from './common-options.ts';
import { MatrixOptimizer, type MatrixOptions, matrixSchema } from './matrix-optimizer.ts';
import { checkDampening, type MomentumForm } from './sgd.ts';

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
  /** The steps of Newton–Schulz: a named set or a list of [a, b, c]. Default: `polar-express`, or `jordan` for HybridAuON. */
  coefficients: Coefficients;
  /** How many steps, 0 to 100. Default: as many as the set has, 5 for most. */
  nsSteps: number | undefined;
  /**
   * `gram` takes the steps on the Gram matrix of the short side where the long one is twice as long or more: the same in
   * exact arithmetic, less work. Default `newton-schulz`. `polar` is not available yet: ERR_UNSUPPORTED.
   */
  nsMethod: 'newton-schulz' | 'gram' | 'polar';
  /**
   * What Newton–Schulz computes in, after a norm in f64: `f32`, `f64`, `f16` or `bf16`, the last two with sums in f32.
   * Default f64 for f64 weights, else f32. Settled when the optimizer is made.
   */
  readonly nsDtype: NsDtype | undefined;
  /** Added to the norm. Default: the set's own, 1e-7 for most. */
  eps: number | undefined;
}

type OwnOptions = Omit<OrthogonalOptions, keyof MatrixOptions>;

const ownSchema: { readonly [K in keyof OwnOptions]: Option<OwnOptions[K]> } = {
  momentum: fraction(0.95),
  dampening: fraction(0),
  nesterov: flag(true),
  momentumForm: word(['ema', 'heavy-ball'], 'ema', true),
  coefficients: { default: 'polar-express', wrong: wrongCoefficients },
  nsSteps: optional(whole(5, 0, 100)),
  nsMethod: word(['newton-schulz', 'gram', 'polar'], 'newton-schulz'),
  nsDtype: optional(word<NsDtype>(['f32', 'f64', 'f16', 'bf16'], 'f32', true)),
  eps: optional(notNegative(1e-7)),
};

export const orthogonalSchema = (coefficients: Coefficients): Schema<Omit<OrthogonalOptions, keyof CommonOptions>> => ({
  ...matrixSchema,
  ...ownSchema,
  coefficients: { ...ownSchema.coefficients, default: coefficients },
});

/** An optimizer whose momentum goes through Newton–Schulz. */
export abstract class OrthogonalOptimizer<O extends OrthogonalOptions> extends MatrixOptimizer<O> {
  protected override checkWeight(where: string, weight: Tensor, options: O): void {
    super.checkWeight(where, weight, options);
    checkOrthogonal(where, options);
  }

  protected override checkOptions(where: string, options: O): void {
    super.checkOptions(where, options);
    checkOrthogonal(where, options);
  }
}

/** Refuses what is not available; warns of coefficients that would step uphill. */
export function checkOrthogonal(where: string, options: OrthogonalOptions): void {
  const { nsMethod, coefficients, nsSteps } = options;
  checkDampening(where, options);
  if (nsMethod === 'polar')
    throw new OrthokitError('ERR_UNSUPPORTED', `${where}: nsMethod ${nsMethod} is not available yet`);
  if (typeof coefficients !== 'string' && nsSteps !== 0)
    warnOfRange(where, coefficients, iterationOf(coefficients, nsSteps));
}

/** The fields of an op that orthogonalizes momentum. */
export function orthogonalFields(options: OrthogonalOptions): {
  coefficients: number[];
  normScale: number;
  eps: number;
  momentum: number;
  dampening: number;
  nesterov: 'on' | 'off';
  momentumForm: MomentumForm;
  nsDtype: NsDtype | 'own';
  nsMethod: 'newton-schulz' | 'gram';
} {
  const {
    coefficients,
    nsSteps,
    nsDtype = 'own',
    nsMethod,
    eps,
    momentum,
    dampening,
    nesterov,
    momentumForm,
  } = options;
  return {
    ...iterationOf(coefficients, nsSteps, eps),
    momentum,
    dampening,
    nesterov: nesterov ? 'on' : 'off',
    momentumForm,
    nsDtype,
    nsMethod: nsMethod === 'gram' ? 'gram' : 'newton-schulz',
  };
}
