import { ops } from '../core/native-ops.ts';
import { notNegative } from '../core/schema.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { accumulator } from './parts/accumulator.ts';
import { common } from './parts/common.ts';
import { passed } from './parts/passed.ts';
import { counter, moment, state } from './parts/state.ts';

/** Options of {@link AdaGrad}; all may be left out. */
export interface AdaGradOptions extends CommonOptions {
  /** The rate at step t is lr / (1 + (t − 1)·lrDecay). Default 0. */
  lrDecay: number;
  /** Start of the sums of squares. Default 0. Settled when the optimizer is made. */
  readonly initialAccumulator: number;
  /** Added to the root. Default 1e-10. */
  eps: number;
}

const parts = [
  common(1e-2, 0, 'l2'),
  accumulator(0),
  state({
    roots: (weight, options: AdaGradOptions) => moment(weight, options, Math.sqrt(options.initialAccumulator)),
    steps: counter,
  }),
  passed({ lrDecay: notNegative(0), eps: notNegative(1e-10) }),
] as const;

/**
 * AdaGrad (Duchi, Hazan and Singer 2011), as `torch.optim.Adagrad` defines it. Defaults: lr 0.01, eps 1e-10,
 * weightDecayMode `l2`. State: one accumulator a parameter, as its root.
 *
 * @example
 * const optimizer = new AdaGrad([w], { lr: 0.05 });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without
 * any; ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class AdaGrad extends Optimizer<AdaGradOptions> {
  constructor(params: Params<AdaGradOptions>, options: OptimizerOptions<AdaGradOptions> = {}) {
    super('AdaGrad', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.adagrad(device, fields);
  }
}
