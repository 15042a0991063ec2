import { apply, type Decay, decayed, type Parameter, type Statistics } from './step.ts';

/** u = sign(β₁ m + (1−β₁) g), m ← β₂ m + (1−β₂) g. */
export function lion(
  p: Parameter,
  { momenta: m }: { momenta: Float64Array },
  options: Decay & { beta1?: number; beta2?: number },
): Statistics {
  const { beta1 = 0.9, beta2 = 0.99 } = options;
  const update = decayed(p, options).map((g, i) => {
    const direction = Math.sign(beta1 * m[i]! + (1 - beta1) * g);
    m[i] = beta2 * m[i]! + (1 - beta2) * g;
    return direction;
  });
  return apply(p, update, options.lr, options);
}
