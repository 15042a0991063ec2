import { apply, type Decay, decayed, type Parameter, type Statistics } from './step.ts';

/** AdaGrad as in torch.optim.Adagrad; the state is the root of the accumulator. */
export function adagrad(
  p: Parameter,
  state: { roots: Float64Array; step: number },
  options: Decay & { lrDecay?: number; eps?: number },
): Statistics {
  const { lr, lrDecay = 0, eps = 1e-10 } = options;
  const { roots: r, step } = state;
  const update = decayed(p, options).map((g, i) => {
    r[i] = Math.sqrt(r[i]! ** 2 + g ** 2);
    return r[i]! + eps === 0 ? 0 : g / (r[i]! + eps);
  });
  return apply(p, update, lr / (1 + (step - 1) * lrDecay), options);
}
