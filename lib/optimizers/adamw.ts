import { ops } from '../core/native-ops.ts';
import { betas, notNegative, type Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { type CommonOptions, commonSchema } from './common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './optimizer.ts';
import type { Params } from './params.ts';
import { counter, moment, type Slot } from './state.ts';

/** Options of {@link AdamW}; all may be left out. */
export interface AdamWOptions extends CommonOptions {
  /** Factors of the first and second moment, in [0, 1). Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  eps: number;
}

const schema: Schema<AdamWOptions> = {
  ...commonSchema(1e-3, 1e-2, 'decoupled'),
  betas: betas([0.9, 0.999]),
  eps: notNegative(1e-8),
};

type State = 'momenta' | 'roots' | 'steps';

/**
 * AdamW (Loshchilov and Hutter 2019), as `torch.optim.AdamW` defines it. Defaults: lr 1e-3, betas [0.9, 0.999], eps 1e-8,
 * weightDecay 0.01. State: two moments a parameter, the second as its root, so that gradients from 1e-30 to 1e30 and
 * state in 16 bits stay right.
 *
 * @example
 * const optimizer = new AdamW([w], { lr: 3e-4 });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without any;
 * ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class AdamW extends Optimizer<AdamWOptions, State> {
  constructor(params: Params<AdamWOptions>, options: OptimizerOptions<AdamWOptions> = {}) {
    super('AdamW', params, options, schema);
  }

  protected override slots(weight: Tensor, options: AdamWOptions): Record<State, Slot> {
    return { momenta: moment(weight, options), roots: moment(weight, options), steps: counter() };
  }

  protected override update({ device, step, state }: Work<State>, { betas: [beta1, beta2], eps }: AdamWOptions): void {
    ops.adamw(device, { ...step, ...state, beta1, beta2, eps });
  }
}
