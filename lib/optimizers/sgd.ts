import { ops } from '../core/native-ops.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { type MomentumForm, momentum, momentumForm, nesterov } from './parts/momentum.ts';
import { optionalMomentum } from './parts/optional-momentum.ts';

/** Options of {@link SGD}; all may be left out. */
export interface SGDOptions extends CommonOptions {
  /** Factor of the momentum, in [0, 1). Default 0: no momentum and no state, which must be so from the start. */
  momentum: number;
  /** heavy-ball takes 1 − dampening of the gradient, from the second step on; refused without momentum. Default 0. */
  dampening: number;
  /** Steps with the look-ahead of the momentum. Default false. */
  nesterov: boolean;
  /** `heavy-ball` m ← μ·m + g, or `ema` m ← μ·m + (1 − μ)·g. Default `heavy-ball`. */
  readonly momentumForm: MomentumForm;
}

const parts = [
  common(1e-3, 0, 'l2'),
  optionalMomentum,
  momentum(0),
  nesterov(false),
  momentumForm('heavy-ball'),
] as const;

/**
 * Stochastic gradient descent with momentum, as `torch.optim.SGD` defines it. Defaults: lr 1e-3, momentum 0,
 * weightDecayMode `l2`. State: one moment a parameter, if momentum is not 0.
 *
 * @example
 * const optimizer = new SGD([w], { lr: 0.1, momentum: 0.9 });
 * optimizer.step([grad]);
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without
 * any; ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class SGD extends Optimizer<SGDOptions> {
  constructor(params: Params<SGDOptions>, options: OptimizerOptions<SGDOptions> = {}) {
    super('SGD', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.sgd(device, fields);
  }
}
