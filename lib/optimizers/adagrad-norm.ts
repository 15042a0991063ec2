import { ops } from '../core/native-ops.ts';
import { notNegative, word } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './base/optimizer.ts';
import type { Params } from './base/params.ts';
import type { Slot } from './base/state.ts';
import { accumulator } from './parts/accumulator.ts';
import { common } from './parts/common.ts';
import { passed } from './parts/passed.ts';
import { counter, state } from './parts/state.ts';

/** Options of {@link AdaGradNorm}; all may be left out. */
export interface AdaGradNormOptions extends CommonOptions {
  /** The rate at step t is lr / (1 + (t − 1)·lrDecay). Default 0. */
  lrDecay: number;
  /** b₀²: what the accumulator starts with. Default 0.01. Settled when the optimizer is made. */
  readonly initialAccumulator: number;
  /** One accumulator a `tensor`, a row of each (`rows`), or one for the whole group (`global`). Default `tensor`. */
  readonly scope: 'tensor' | 'global' | 'rows';
  /** Added to b. Default 0. */
  eps: number;
}

function squaresOf({ shape }: Tensor, { scope, initialAccumulator }: AdaGradNormOptions): Slot {
  const rows = shape.length === 3 ? shape[0]! * shape[1]! : (shape[0] ?? 1);
  return { shape: [scope === 'rows' ? rows : 1], dtype: 'f64', start: initialAccumulator };
}

const parts = [
  common(1, 0, 'l2'),
  accumulator(0.01),
  state({ squares: squaresOf, steps: counter }),
  passed({
    lrDecay: notNegative(0),
    scope: word<AdaGradNormOptions['scope']>(['tensor', 'global', 'rows'], 'tensor', true),
    eps: notNegative(0),
  }),
] as const;

/**
 * AdaGrad-Norm: b² ← b² + ‖g‖², w ← w − lr/b·g (AdAdaGrad, arXiv 2402.11215: the paper's scalar form; the program of
 * its authors keeps one accumulator a row, which is `scope: 'rows'` here). Defaults: lr 1, b₀² 0.01,
 * scope `tensor`, weightDecayMode `l2`. State: one number a scope, and a step counter a parameter. b² is f64: gradients
 * in f64 of a norm above 1e154 make it infinite, and its scope steps no more; the report has `gradNorm` Infinity then.
 *
 * @example
 * const optimizer = new AdaGradNorm([w], { scope: 'global' });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without
 * any; ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class AdaGradNorm extends Optimizer<AdaGradNormOptions> {
  constructor(params: Params<AdaGradNormOptions>, options: OptimizerOptions<AdaGradNormOptions> = {}) {
    super('AdaGradNorm', params, options, parts);
  }

  /** @internal */
  protected override update({ device, fields, all }: Work<typeof parts>): void {
    const squares = fields.scope === 'global' ? all('squares') : fields.squares;
    ops.adagradNorm(device, { ...fields, squares });
  }
}
