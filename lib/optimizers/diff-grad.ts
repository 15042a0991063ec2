import { ops } from '../core/native-ops.ts';
import { flag, notNegative } from '../core/schema.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import type { Part } from './base/part.ts';
import { common } from './parts/common.ts';
import { betas } from './parts/momentum.ts';
import { passed } from './parts/passed.ts';
import { counter, moment, state } from './parts/state.ts';

/** Options of {@link DiffGrad}; all may be left out. */
export interface DiffGradOptions extends CommonOptions {
  /** Factors of the first and second moment, in [0, 1). Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the root of the second moment before its correction. Default 1e-8. */
  eps: number;
  /**
   * The friction is ½ everywhere, and no gradient is kept: what the authors' first program computes where a framework
   * writes each gradient to the memory of the one before. For comparisons only. Default false. Settled when the
   * optimizer is made.
   */
  readonly v1Bug: boolean;
}

/** The gradient of the step before, unless the friction does without. */
const previousGradient: Part<DiffGradOptions, 'previous'> = {
  schema: { v1Bug: { ...flag(false), fixed: true } },
  slots: (weight, options) => (options.v1Bug ? {} : { previous: moment(weight, options) }),
};

const parts = [
  common(1e-3, 0, 'l2'),
  state({ momenta: moment, roots: moment, steps: counter }),
  previousGradient,
  betas([0.9, 0.999]),
  passed({ eps: notNegative(1e-8) }),
] as const;

/**
 * diffGrad (Dubey et al. 2019, arXiv 1909.11015): Adam times a friction ξ = 1/(1 + exp(−|g₋₁ − g|)), from ½ where the
 * gradient stays the same to 1 where it changes much: w ← w − lr·√(1−β₂ᵗ)/(1−β₁ᵗ)·ξ·m/(√v + eps). As the authors'
 * diffGrad_v2.py, whose previous gradient is a copy. The friction depends on the size of gradients, so the step is not
 * the same for scaled ones. Defaults: lr 1e-3, betas [0.9, 0.999], eps 1e-8, weightDecayMode `l2`. State: two moments a
 * parameter, the second as its root, and the previous gradient: 12 bytes an element in f32, and a counter.
 *
 * @example
 * const optimizer = new DiffGrad([w], { lr: 1e-3 });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without
 * any; ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class DiffGrad extends Optimizer<DiffGradOptions> {
  constructor(params: Params<DiffGradOptions>, options: OptimizerOptions<DiffGradOptions> = {}) {
    super('DiffGrad', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields }: Work<typeof parts>): void {
    ops.diffGrad(device, fields);
  }
}
