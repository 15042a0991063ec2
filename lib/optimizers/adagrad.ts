import { ops } from '../core/native-ops.ts';
import { notNegative, type Option, type Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { type CommonOptions, commonSchema } from './common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './optimizer.ts';
import type { Params } from './params.ts';
import { counter, moment, type Slot } from './state.ts';

/** Options of {@link AdaGrad}; all may be left out. */
export interface AdaGradOptions extends CommonOptions {
  /** The rate at step t is lr / (1 + (t − 1)·lrDecay). Default 0. */
  lrDecay: number;
  /** What the sums of squares start with. Default 0. Settled when the optimizer is made. */
  readonly initialAccumulator: number;
  /** Added to the root. Default 1e-10. */
  eps: number;
}

/** What an accumulator starts with matters only when it is made. */
export const startValue = (value: number): Option<number> => ({ ...notNegative(value), fixed: true });

const schema: Schema<AdaGradOptions> = {
  ...commonSchema(1e-2, 0, 'l2'),
  lrDecay: notNegative(0),
  initialAccumulator: startValue(0),
  eps: notNegative(1e-10),
};

/**
 * AdaGrad (Duchi, Hazan and Singer 2011), as `torch.optim.Adagrad` defines it. Defaults: lr 0.01, eps 1e-10,
 * weightDecayMode `l2`. State: one accumulator a parameter, as its root.
 *
 * @example
 * const optimizer = new AdaGrad([w], { lr: 0.05 });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without any;
 * ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class AdaGrad extends Optimizer<AdaGradOptions, 'roots' | 'steps'> {
  constructor(params: Params<AdaGradOptions>, options: OptimizerOptions<AdaGradOptions> = {}) {
    super('AdaGrad', params, options, schema);
  }

  protected override slots(weight: Tensor, options: AdaGradOptions): Record<'roots' | 'steps', Slot> {
    return { roots: moment(weight, options, Math.sqrt(options.initialAccumulator)), steps: counter() };
  }

  protected override update({ device, step, state }: Work<'roots' | 'steps'>, { lrDecay, eps }: AdaGradOptions): void {
    ops.adagrad(device, { ...step, ...state, lrDecay, eps });
  }
}
