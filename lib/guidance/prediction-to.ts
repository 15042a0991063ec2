import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { refusal, shown } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { finite, type Resolved, readOptions, required, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';

/** A model's prediction of x_t = α x₀ + σ ε: of x₀, of ε, or of v = α ε − σ x₀. */
export type PredictionKind = 'x0' | 'eps' | 'v';

/** Options of {@link predictionTo}. */
export interface PredictionToOptions {
  /** α of x_t, finite; 1 of a schedule that only adds noise. It has no default. */
  alpha: number;
  /** σ of x_t, finite. It has no default. */
  sigma: number;
  /** The kind of the prediction that is given. It has no default. */
  from: PredictionKind;
  /** A tensor like the prediction for the result, which may be the prediction. Default: a new one. */
  out?: Tensor | undefined;
}

const kinds: readonly PredictionKind[] = ['x0', 'eps', 'v'];
const schema: Schema<Resolved<PredictionToOptions, 'out'>> = {
  alpha: required(finite(1)),
  sigma: required(finite(1)),
  from: required(word(kinds, 'eps')),
  out: check.tensorOption,
};

/** Factors of the prediction and of x_t. */
function factorsOf(kind: PredictionKind, from: PredictionKind, alpha: number, sigma: number): [number, number] {
  const length = Math.hypot(alpha, sigma);
  switch (`${kind} ${from}`) {
    case 'x0 eps':
      return [-sigma / alpha, 1 / alpha];
    case 'x0 v':
      return [-sigma / length / length, alpha / length / length];
    case 'eps x0':
      return [-alpha / sigma, 1 / sigma];
    case 'eps v':
      return [alpha / length / length, sigma / length / length];
    case 'v x0':
      return [-length * (length / sigma), alpha / sigma];
    case 'v eps':
      return [length * (length / alpha), -sigma / alpha];
    default:
      return [1, 0];
  }
}

/**
 * The same prediction as another kind: of x_t = α x₀ + σ ε, that of x₀, of ε, or of v = α ε − σ x₀, for any α and σ,
 * also such that α² + σ² is not 1. It is a linear combination of the prediction and x_t, queued.
 *
 * Source: Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models" (ICLR 2022), appendix D,
 * without its assumption α² + σ² = 1.
 *
 * @example
 * const x0 = predictionTo('x0', eps, xt, { alpha: 0.8, sigma: 0.6, from: 'eps' });
 *
 * @param kind What to give.
 * @param prediction f32, f64, f16 or bf16, of any shape.
 * @param xt A tensor like the prediction.
 * @throws ERR_ARGUMENT, also for an α or σ of 0 by which the kind would divide; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE,
 * ERR_DISPOSED, ERR_MEMORY
 */
export function predictionTo(
  kind: PredictionKind,
  prediction: Tensor,
  xt: Tensor,
  options: PredictionToOptions,
): Tensor {
  const where = 'predictionTo';
  if (!kinds.includes(kind)) throw refusal(where, 'kind', "be 'x0', 'eps' or 'v'", shown(kind));
  check.tensor(where, 'prediction', prediction, { dtypes: check.floating });
  const { device, shape, dtype } = prediction;
  check.tensor(where, 'xt', xt, { dtypes: [dtype], shape, device });
  const { alpha, sigma, from, out } = readOptions(where, options, schema);
  if (out) check.tensor(where, 'out', out, { dtypes: [dtype], shape, device });
  const factors = factorsOf(kind, from, alpha, sigma);
  if (!factors.every(Number.isFinite)) {
    const divisor = kind === 'x0' || (kind === 'v' && from === 'eps') ? 'alpha' : 'sigma';
    throw refusal(
      where,
      divisor,
      `not be 0, or so small, for ${kind} from ${from}`,
      `alpha ${alpha} and sigma ${sigma}`,
    );
  }
  const fill = (to: Tensor): void => {
    if (dtype === 'f32' || dtype === 'f64') combine(prediction, xt, to, factors);
    else {
      using wide = prediction.cast('f32');
      using place = xt.cast('f32');
      combine(wide, place, wide, factors);
      ops.cast(device, { out: [to], x: [wide] });
    }
  };
  if (!out) return filled(new Tensor(device, shape, dtype), fill);
  fill(out);
  return out;
}

/** A factor of 0 leaves a tensor unread: 0 times infinity is NaN. */
function combine(prediction: Tensor, xt: Tensor, out: Tensor, [own, other]: readonly [number, number]): void {
  const terms = other === 0 ? [prediction] : [prediction, xt];
  ops.linearCombination(out.device, { out: [out], terms, coefficients: [own, other].slice(0, terms.length) });
}
