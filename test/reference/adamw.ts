import { apply, type Decay, decayed, type Parameter, type Statistics } from './step.ts';

/** AdamW as in torch.optim.AdamW; the state is the root of the second moment. */
export function adamw(
  p: Parameter,
  state: { momenta: Float64Array; roots: Float64Array; step: number },
  options: Decay & { beta1?: number; beta2?: number; eps?: number },
): Statistics {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = options;
  const { momenta: m, roots: r, step } = state;
  const g = decayed(p, options);
  const [missing1, missing2] = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
  const update = g.map((x, i) => {
    m[i] = beta1 * m[i]! + (1 - beta1) * x;
    r[i] = Math.sqrt(beta2 * r[i]! ** 2 + (1 - beta2) * x ** 2);
    return m[i] === 0 ? 0 : m[i]! / missing1 / (r[i]! / missing2 + eps);
  });
  return apply(p, update, options.lr, options);
}
