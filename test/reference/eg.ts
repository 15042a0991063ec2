import { type Decay, decayed, type Parameter, type Statistics } from './step.ts';
import { sumOfSquares } from './sums.ts';

export interface EgOptions extends Decay {
  variant?: 'sgd' | 'adamw';
  momentum?: number;
  dampening?: number;
  nesterov?: 'on' | 'off';
  beta1?: number;
  beta2?: number;
  eps?: number;
  shrink?: number;
}

/** The largest number of f32, and the smallest. */
const [most, least] = [(2 - 2 ** -23) * 2 ** 127, 2 ** -149];

/** Exponentiated gradient as in linclab/EG_optimiser, with the guards of the op. */
export function eg(
  p: Parameter,
  state: { momenta?: Float64Array; roots?: Float64Array; step: number },
  options: EgOptions,
): Statistics {
  const { variant = 'sgd', momentum = 0, dampening = 0, nesterov = 'off', shrink = 0, lr } = options;
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0, weightDecayMode = 'decoupled' } = options;
  const { momenta: m, roots: r, step } = state;
  const gradient = decayed(p, options).map((x, i) => x + shrink * Math.sign(p.weights[i]!));
  const [missing1, missing2] = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
  const direction = gradient.map((d, i) => {
    if (variant === 'adamw') {
      m![i] = beta1 * m![i]! + (1 - beta1) * d;
      r![i] = Math.sqrt(beta2 * r![i]! ** 2 + (1 - beta2) * d ** 2);
      return m![i] === 0 ? 0 : m![i]! / missing1 / (r![i]! / missing2 + eps);
    }
    if (!m) return d;
    m[i] = step === 1 ? d : momentum * m[i]! + (1 - dampening) * d;
    return nesterov === 'on' ? d + momentum * m[i]! : m[i]!;
  });
  let cuts = 0;
  const moved = p.weights.map((w, i) => {
    const size = Math.abs(w);
    const exponent = w === 0 ? 0 : -lr * Math.sign(w) * direction[i]!;
    if (Math.abs(exponent) > 30) cuts += 1;
    const cut = Math.min(30, Math.max(-30, exponent));
    const multiplied = size * Math.exp(cut);
    const grown = Math.max(Math.min(size, least), Math.min(Math.max(size, most), multiplied));
    const decay = {
      ...{ decoupled: lr * weightDecay, independent: weightDecay, palm: weightDecay * lr ** 2, l2: 0 },
      cautious: exponent <= 0 ? lr * weightDecay : 0,
    };
    p.weights[i] = Math.sign(w) * Math.max(Math.min(size, least), (1 - decay[weightDecayMode]) * grown);
    return grown === multiplied ? size * Math.expm1(cut) : grown - size;
  });
  return [sumOfSquares(p.grads), sumOfSquares(moved), cuts];
}
