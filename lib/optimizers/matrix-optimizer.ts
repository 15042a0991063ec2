import { OrthokitError } from '../errors.ts';
import type { Dtype, Tensor } from '../tensor.ts';
import { type Coefficients, iterationOf, warnOfRange, wrongCoefficients } from './coefficients.ts';
import { Optimizer } from './optimizer.ts';
import {
  type CommonOptions,
  flag,
  fraction,
  notNegative,
  type Option,
  optional,
  type Schema,
  whole,
  word,
} from './options.ts';
import type { MomentumForm } from './sgd.ts';
import { moment, type Slot } from './state.ts';

export interface MatrixOptions extends CommonOptions {
  /** Rows are cut into so many equal blocks, each a matrix of its own: attention heads. Default: the whole matrix. */
  readonly heads: number | undefined;
  /** Blocks of given sizes: not available yet, throws ERR_UNSUPPORTED. */
  readonly split: { axis: number; sizes: readonly number[] } | undefined;
}

export const matrixSchema: Schema<Omit<MatrixOptions, keyof CommonOptions>> = {
  heads: { ...optional(whole(1, 1, 65536)), fixed: true },
  split: { default: undefined, wrong: () => undefined, fixed: true },
};

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
  /** The steps of Newton–Schulz: a named set or a list of [a, b, c]. */
  coefficients: Coefficients;
  /** How many steps, 0 to 100. Default: as many as the set has, 5 for most. */
  nsSteps: number | undefined;
  /** `newton-schulz`. `gram` and `polar` are not available yet: ERR_UNSUPPORTED. */
  nsMethod: 'newton-schulz' | 'gram' | 'polar';
  /**
   * Working precision. Default f64 for f64 weights, else f32; others are not available yet: ERR_UNSUPPORTED. Settled when
   * the optimizer is made.
   */
  readonly nsDtype: Dtype | undefined;
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
  nsDtype: optional(word<Dtype>(['f32', 'f64', 'f16', 'bf16'], 'f32', true)),
  eps: optional(notNegative(1e-7)),
};

export const orthogonalSchema = (coefficients: Coefficients): Schema<Omit<OrthogonalOptions, keyof CommonOptions>> => ({
  ...matrixSchema,
  ...ownSchema,
  coefficients: { ...ownSchema.coefficients, default: coefficients },
});

/** An optimizer of matrices: rank 2, batches of rank 3, convolutions of rank 4 and 5 as [O, the rest]. */
export abstract class MatrixOptimizer<O extends MatrixOptions> extends Optimizer<O, 'momenta'> {
  protected override slots(weight: Tensor, options: O): Record<'momenta', Slot> {
    return { momenta: moment(weight, options) };
  }

  protected takesVectors(_options: O): boolean {
    return false;
  }

  protected override checkWeight(where: string, weight: Tensor, options: O): void {
    const { shape } = weight;
    if (shape.length < 2 && !this.takesVectors(options))
      throw new OrthokitError(
        'ERR_SHAPE',
        `${where}: params must be matrices, got shape [${shape}]; use combine() to give vectors to another optimizer`,
      );
    const { heads } = options;
    if (heads !== undefined && (shape.length !== 2 || (shape[0] ?? 0) % heads !== 0))
      throw new OrthokitError('ERR_SHAPE', `${where}: heads ${heads} must divide the rows of matrices, got [${shape}]`);
  }

  protected override checkOptions(where: string, { split }: O): void {
    if (split !== undefined)
      throw new OrthokitError(
        'ERR_UNSUPPORTED',
        `${where}: split is not available yet; heads cuts rows into equal blocks`,
      );
  }

  protected override viewShape({ shape }: Tensor, { heads }: O): readonly number[] | undefined {
    const [rows = 1, columns = 1] = shape;
    return heads === undefined ? undefined : [heads, rows / heads, columns];
  }
}

/** Refuses what is not available; warns of coefficients that would step uphill. */
export function checkOrthogonal(where: string, options: OrthogonalOptions, weights: readonly Tensor[] = []): void {
  const { nsMethod, nsDtype, coefficients, nsSteps } = options;
  if (nsMethod !== 'newton-schulz')
    throw new OrthokitError('ERR_UNSUPPORTED', `${where}: nsMethod ${nsMethod} is not available yet`);
  for (const weight of weights) {
    const working = weight.dtype === 'f64' ? 'f64' : 'f32';
    if (nsDtype !== undefined && nsDtype !== working)
      throw new OrthokitError(
        'ERR_UNSUPPORTED',
        `${where}: nsDtype ${nsDtype} is not available yet for ${weight.dtype} weights`,
      );
  }
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
} {
  const { coefficients, nsSteps, eps, momentum, dampening, nesterov, momentumForm } = options;
  return {
    ...iterationOf(coefficients, nsSteps, eps),
    momentum,
    dampening,
    nesterov: nesterov ? 'on' : 'off',
    momentumForm,
  };
}
