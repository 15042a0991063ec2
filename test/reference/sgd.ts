import { type MomentumRule, momentum } from './momentum.ts';
import { apply, type Decay, decayed, type Parameter, type Statistics } from './step.ts';

/** Stochastic gradient descent as in torch.optim.SGD: the first heavy-ball momentum is the gradient, undamped. */
export function sgd(
  p: Parameter,
  state: { momenta?: Float64Array; step: number },
  options: Decay & MomentumRule,
): Statistics {
  const g = decayed(p, options);
  if (!state.momenta) return apply(p, g, options.lr, options);
  const rule: MomentumRule = { momentumForm: 'heavy-ball', ...options };
  const isFirst = state.step === 1 && rule.momentumForm === 'heavy-ball';
  return apply(p, momentum(state.momenta, g, isFirst ? { ...rule, dampening: 0 } : rule), options.lr, options);
}
