import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { fraction, word } from '../core/schema.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import type { Part } from './base/part.ts';
import { common, shrinking } from './parts/common.ts';
import { momentum, nesterov, optionalMoments } from './parts/momentum.ts';
import { optionalMomentum } from './parts/optional-momentum.ts';
import { passed } from './parts/passed.ts';
import { counter, moment } from './parts/state.ts';

/** Options of {@link EG}; all may be left out. */
export interface EGOptions extends CommonOptions {
  /** The direction in the exponent is that of SGD or of AdamW. Default `sgd`. Settled when the optimizer is made. */
  readonly variant: 'sgd' | 'adamw';
  /** `sgd`: factor of the momentum, in [0, 1). Default 0: no momentum and no state, which must be so from the start. */
  momentum: number;
  /** `sgd`: the momentum takes 1 − dampening of the gradient, from the second step on; 0 without one. Default 0. */
  dampening: number;
  /** `sgd`: steps with the look-ahead of the momentum. Default false. */
  nesterov: boolean;
  /** `adamw`: factors of the first and second moment, in [0, 1). Default [0.9, 0.999]. */
  betas: readonly [number, number] | undefined;
  /** `adamw`: added to the root of the second moment. Default 1e-8. */
  eps: number | undefined;
}

/** The share of a weight that decay leaves must be positive: a weight that decays past 0 changes its sign. */
function checkDecay(where: string, { lr, weightDecay, weightDecayMode: mode }: EGOptions): void {
  const factors = { decoupled: lr, cautious: lr, independent: 1, palm: lr * lr, l2: 0, shrink: 0 };
  if (factors[mode] * weightDecay >= 1)
    throw refusal(where, 'weightDecay', `leave a part of each weight at lr ${lr}`, weightDecay);
}

/** Defaults and state of each variant, which takes none of the other one's options. */
const variants: Part<EGOptions, 'momenta' | 'roots' | 'steps', { readonly variant: EGOptions['variant'] }> = {
  ...passed({ variant: word<EGOptions['variant']>(['sgd', 'adamw'], 'sgd', true) }),
  defaults: ({ variant }) => (variant === 'adamw' ? { lr: 1e-3, weightDecay: 1e-2, weightDecayMode: 'decoupled' } : {}),
  slots: (weight, options) =>
    options.variant === 'adamw'
      ? { momenta: moment(weight, options), roots: moment(weight, options), steps: counter() }
      : optionalMomentum.slots!(weight, options),
  checkOptions: (where, options, slots) => {
    checkDecay(where, options);
    const foreign = (['momentum', 'dampening', 'nesterov'] as const).find(
      (name) => options[name] !== (name === 'nesterov' ? false : 0),
    );
    if (options.variant === 'sgd') {
      optionalMomentum.checkOptions!(where, options, slots);
      for (const name of ['betas', 'eps'] as const)
        if (options[name] !== undefined) throw refusal(where, name, 'be left out for variant sgd', options[name]);
    } else if (foreign) throw refusal(where, foreign, 'be left out for variant adamw', options[foreign]);
  },
};

const parts = [
  common(0.1, 0, 'decoupled'),
  shrinking,
  variants,
  momentum(0),
  passed({ dampening: fraction(0) }),
  nesterov(false),
  optionalMoments,
  { number: { name: 'clamped', combine: 'sum' } } as Part<object>,
] as const;

/**
 * Exponentiated gradient (Kivinen and Warmuth 1997; linclab/EG_optimiser, on which arXiv 2510.02730 builds): w ←
 * w·exp(−lr·sign(w)·u), so that no weight changes its sign and a 0 stays 0: Dale's law. `sgd`: u is g + decay·sign(w),
 * or its momentum; `adamw`: AdamW's m̂/(√v̂ + eps), with decoupled decay. Exponents are cut to ±30, and no step takes a
 * size out of the range of f32; both guards are ours. In 16 bits without master weights a small weight may round to 0,
 * and stays there. Defaults: variant `sgd`, lr 0.1, momentum 0, weightDecay 0, weightDecayMode `shrink`; `adamw`: lr
 * 1e-3, betas [0.9, 0.999], eps 1e-8, weightDecay 0.01, weightDecayMode `decoupled`. State: none; one moment a
 * parameter with momentum; two for `adamw`, the second as its root.
 *
 * @example
 * const optimizer = new EG([w], { lr: 0.1 });
 * @throws ERR_ARGUMENT for options out of range or of the other variant, unknown names, decay that leaves nothing of a
 * weight, and params that are no tensors, twice there, or without any; ERR_DTYPE for integers; ERR_DEVICE for two
 * devices; ERR_DISPOSED; ERR_MEMORY
 */
export class EG extends Optimizer<EGOptions> {
  constructor(params: Params<EGOptions>, options: OptimizerOptions<EGOptions> = {}) {
    super('EG', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.eg(device, fields);
  }
}
