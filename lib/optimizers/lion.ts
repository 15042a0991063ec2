import { ops } from '../core/native-ops.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { betas } from './parts/momentum.ts';
import { moment, state } from './parts/state.ts';

/** Options of {@link Lion}; all may be left out. */
export interface LionOptions extends CommonOptions {
  /** Factors of the update and of the momentum, in [0, 1). Default [0.9, 0.99]. */
  betas: readonly [number, number];
}

const parts = [common(1e-4, 0, 'decoupled'), state({ momenta: moment }), betas([0.9, 0.99])] as const;

/**
 * Lion (Chen et al. 2023): steps by the sign of the momentum. Defaults: lr 1e-4, betas [0.9, 0.99]. State: one moment a
 * parameter.
 *
 * @example
 * const optimizer = new Lion([w], { lr: 1e-4, weightDecay: 0.1 });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without
 * any; ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class Lion extends Optimizer<LionOptions> {
  constructor(params: Params<LionOptions>, options: OptimizerOptions<LionOptions> = {}) {
    super('Lion', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.lion(device, fields);
  }
}
