import { apply, type Decay, decayed, type Parameter, type Statistics } from './step.ts';

/** The authors' diffGrad_v2.py; the state is the root of the second moment. */
export function diffGrad(
  p: Parameter,
  state: { momenta: Float64Array; roots: Float64Array; previous?: Float64Array; step: number },
  options: Decay & { beta1?: number; beta2?: number; eps?: number },
): Statistics {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = options;
  const { momenta: m, roots: r, previous, step } = state;
  const g = decayed(p, options);
  const update = g.map((x, i) => {
    m[i] = beta1 * m[i]! + (1 - beta1) * x;
    r[i] = Math.sqrt(beta2 * r[i]! ** 2 + (1 - beta2) * x ** 2);
    const friction = previous ? 1 / (1 + Math.exp(-Math.abs(previous[i]! - x))) : 0.5;
    if (previous) previous[i] = x;
    const rate = Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step);
    return m[i] === 0 ? 0 : (rate * friction * m[i]!) / (r[i]! + eps);
  });
  return apply(p, update, options.lr, options);
}
