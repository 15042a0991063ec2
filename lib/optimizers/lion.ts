import { ops } from '../core/native-ops.ts';
import { betas, type Schema } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { type CommonOptions, commonSchema } from './common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './optimizer.ts';
import type { Params } from './params.ts';
import { moment, type Slot } from './state.ts';

/** Options of {@link Lion}; all may be left out. */
export interface LionOptions extends CommonOptions {
  /** Factors of the update and of the momentum, in [0, 1). Default [0.9, 0.99]. */
  betas: readonly [number, number];
}

const schema: Schema<LionOptions> = { ...commonSchema(1e-4, 0, 'decoupled'), betas: betas([0.9, 0.99]) };

/**
 * Lion (Chen et al. 2023): steps by the sign of the momentum. Defaults: lr 1e-4, betas [0.9, 0.99]. State: one moment a
 * parameter.
 *
 * @example
 * const optimizer = new Lion([w], { lr: 1e-4, weightDecay: 0.1 });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without any;
 * ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class Lion extends Optimizer<LionOptions, 'momenta'> {
  constructor(params: Params<LionOptions>, options: OptimizerOptions<LionOptions> = {}) {
    super('Lion', params, options, schema);
  }

  protected override slots(weight: Tensor, options: LionOptions): Record<'momenta', Slot> {
    return { momenta: moment(weight, options) };
  }

  protected override update({ device, step, state }: Work<'momenta'>, { betas: [beta1, beta2] }: LionOptions): void {
    ops.lion(device, { ...step, ...state, beta1, beta2 });
  }
}
