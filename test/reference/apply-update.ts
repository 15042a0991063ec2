import { apply, type Decay, type Parameter, type Statistics } from './step.ts';

/** w ← keep · w − lr · scale · u, the update standing where a gradient does. */
export const applyUpdate = (p: Parameter, _state: object, options: Decay & { scale?: number }): Statistics =>
  apply(p, p.grads, options.lr * (options.scale ?? 1), options);
