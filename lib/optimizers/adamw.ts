import { ops } from '../core/native-ops.ts';
import { notNegative } from '../core/schema.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import { common } from './parts/common.ts';
import { betas } from './parts/momentum.ts';
import { passed } from './parts/passed.ts';
import { counter, moment, state } from './parts/state.ts';

/** Options of {@link AdamW}; all may be left out. */
export interface AdamWOptions extends CommonOptions {
  /** Factors of the first and second moment, in [0, 1). Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  eps: number;
}

const parts = [
  common(1e-3, 1e-2, 'decoupled'),
  state({ momenta: moment, roots: moment, steps: counter }),
  betas([0.9, 0.999]),
  passed({ eps: notNegative(1e-8) }),
] as const;

/**
 * AdamW (Loshchilov and Hutter 2019), as `torch.optim.AdamW` defines it. Defaults: lr 1e-3, betas [0.9, 0.999], eps
 * 1e-8, weightDecay 0.01. State: two moments a parameter, the second as its root, so that gradients from 1e-30 to 1e30
 * and state in 16 bits stay right.
 *
 * @example
 * const optimizer = new AdamW([w], { lr: 3e-4 });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without
 * any; ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class AdamW extends Optimizer<AdamWOptions> {
  constructor(params: Params<AdamWOptions>, options: OptimizerOptions<AdamWOptions> = {}) {
    super('AdamW', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.adamw(device, fields);
  }
}
