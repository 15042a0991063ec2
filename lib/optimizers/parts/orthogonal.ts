import { notNegative, optional, type Schema, whole, word } from '../../core/schema.ts';
import type { Part } from '../base/part.ts';
import {
  type Coefficients,
  type Iteration,
  iterationOf,
  type OrthogonalMethod,
  warnOfRange,
  wrongCoefficients,
} from '../coefficients.ts';
import { checkForm, type FormOptions, formOf, restartsOption, type Scaling } from '../form.ts';
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
  /**
   * Steps of Newton–Schulz: a named set or a list of [a, b, c]. Default: `polar-express`; `jordan` for HybridAuON and
   * Trion; `aol4-fns` for nsScaling `aol`.
   */
  coefficients: Coefficients;
  /** Number of steps, 0 to 100. Default: as many as the set has, 5 for most. */
  nsSteps: number | undefined;
  /**
   * `gram` takes the steps of a matrix that is not square on the Gram matrix of its short side: the same in exact
   * arithmetic · `auto`: gram where that is less work, by shape and dtype alone, else `newton-schulz` · `polar` gives
   * the polar factor to rounding, orthogonal for condition numbers up to 1e6 in f32 and 1e12 in f64, by 20 steps or 29
   * of its own: four times the work, without coefficients and nsSteps. Default `auto`.
   */
  nsMethod: OrthogonalMethod;
  /**
   * The scaling that brings singular values to 1 at most before the first step, as that of {@link orthogonalize}:
   * `frobenius`, `schatten4` or `aol`; the last not beside nsMethod `polar`. Default `frobenius`.
   */
  nsScaling: Scaling;
  /**
   * For nsMethod `gram` and `auto`: before these steps, counted from 0, a matrix and its Gram matrix are made anew, a
   * rising list. Default: one for each three steps, where they keep the factors best conditioned.
   */
  nsRestarts: readonly number[] | undefined;
  /**
   * The dtype of Newton–Schulz, after a norm in f64: `f32`, `f64`, `f16` or `bf16`, the last two with sums in f32.
   * Default f64 for f64 weights, else f32. Settled when the optimizer is made.
   */
  readonly nsDtype: NsDtype | undefined;
  /** Added to the norm. Default: the set's own, 1e-7 for most. */
  eps: number | undefined;
}

/** The options of {@link OrthogonalOptions} that are about Newton–Schulz alone. */
export type NsOptions = Pick<
  OrthogonalOptions,
  'coefficients' | 'nsSteps' | 'nsMethod' | 'nsScaling' | 'nsRestarts' | 'nsDtype' | 'eps'
>;

interface OrthogonalFields extends Iteration {
  readonly nsDtype: NsDtype | 'own';
  readonly nsMethod: OrthogonalMethod;
  readonly nsScaling: Scaling;
  readonly nsRestarts: number[];
}

const names = { method: 'nsMethod', scaling: 'nsScaling', restarts: 'nsRestarts', dtype: 'nsDtype' } as const;

/** The momentum goes through Newton–Schulz; `stepsOf` where the number of steps is not the set's. */
export const orthogonal = <O extends object = object>(
  coefficients: Coefficients,
  stepsOf: (options: O) => number | undefined = () => undefined,
): Part<NsOptions & O, never, OrthogonalFields> => {
  const read = (options: NsOptions & O): { readonly iteration: Iteration; readonly form: FormOptions } => {
    const { coefficients: steps, nsSteps, nsMethod: method, nsScaling: scaling, nsRestarts, nsDtype, eps } = options;
    const iteration = iterationOf(steps, nsSteps ?? stepsOf(options), eps, method);
    const given = steps === coefficients ? undefined : steps;
    return { iteration, form: { method, scaling, coefficients: given, nsSteps, restarts: nsRestarts, dtype: nsDtype } };
  };
  return {
    schema: {
      coefficients: { default: coefficients, wrong: wrongCoefficients },
      nsSteps: optional(whole(5, 0, 100)),
      nsMethod: word(['auto', 'newton-schulz', 'gram', 'polar'], 'auto'),
      nsScaling: word(['frobenius', 'schatten4', 'aol'], 'frobenius'),
      nsRestarts: restartsOption,
      nsDtype: optional(word<NsDtype>(['f32', 'f64', 'f16', 'bf16'], 'f32', true)),
      eps: optional(notNegative(1e-7)),
    } satisfies Schema<NsOptions> as unknown as NonNullable<Part<NsOptions & O>['schema']>,
    defaults: ({ nsScaling }: Partial<NsOptions>) =>
      (nsScaling === 'aol' ? { coefficients: 'aol4-fns' } : {}) as Partial<NsOptions & O>,
    checkOptions: (where, options) => {
      const { iteration, form } = read(options);
      checkForm(where, names, iteration, form);
      const { coefficients: steps, nsSteps } = options;
      if (typeof steps !== 'string' && nsSteps !== 0) warnOfRange(where, steps, iterationOf(steps, nsSteps));
    },
    fields: (options) => {
      const { iteration, form } = read(options);
      const { method, restarts } = formOf(iteration, form);
      const { nsDtype = 'own', nsScaling } = options;
      return { ...iteration, nsDtype, nsMethod: method, nsScaling, nsRestarts: restarts };
    },
    countsFallbacks: true,
  };
};
