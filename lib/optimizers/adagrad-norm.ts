import { ops } from '../core/native-ops.ts';
import { notNegative, type Schema, word } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { startValue } from './adagrad.ts';
import { type CommonOptions, commonSchema } from './common-options.ts';
import { Optimizer, type OptimizerOptions, type Work } from './optimizer.ts';
import type { Params } from './params.ts';
import { counter, type Slot } from './state.ts';

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

const schema: Schema<AdaGradNormOptions> = {
  ...commonSchema(1, 0, 'l2'),
  lrDecay: notNegative(0),
  initialAccumulator: startValue(0.01),
  scope: word(['tensor', 'global', 'rows'], 'tensor', true),
  eps: notNegative(0),
};

/**
 * AdaGrad-Norm: b² ← b² + ‖g‖², w ← w − lr/b·g (AdAdaGrad, arXiv 2402.11215: the paper's scalar form; the program of its
 * authors keeps one accumulator a row, which is `scope: 'rows'` here). Defaults: lr 1, b₀² 0.01,
 * scope `tensor`, weightDecayMode `l2`. State: one number a scope, and a step counter a parameter.
 *
 * @example
 * const optimizer = new AdaGradNorm([w], { scope: 'global' });
 * @throws ERR_ARGUMENT for options out of range, unknown names, and params that are no tensors, twice there, or without any;
 * ERR_DTYPE for integers; ERR_DEVICE for two devices; ERR_DISPOSED; ERR_MEMORY
 */
export class AdaGradNorm extends Optimizer<AdaGradNormOptions, 'squares' | 'steps'> {
  constructor(params: Params<AdaGradNormOptions>, options: OptimizerOptions<AdaGradNormOptions> = {}) {
    super('AdaGradNorm', params, options, schema);
  }

  protected override slots(weight: Tensor, options: AdaGradNormOptions): Record<'squares' | 'steps', Slot> {
    const { shape } = weight;
    const rows = shape.length === 3 ? (shape[0] ?? 1) * (shape[1] ?? 1) : (shape[0] ?? 1);
    const count = options.scope === 'rows' ? rows : 1;
    return { squares: { shape: [count], dtype: 'f64', start: options.initialAccumulator }, steps: counter() };
  }

  protected override update(
    { device, step, state, all }: Work<'squares' | 'steps'>,
    { lrDecay, eps, scope }: AdaGradNormOptions,
  ): void {
    const squares = scope === 'global' ? all('squares') : state.squares;
    ops.adagradNorm(device, { ...step, squares, steps: state.steps, lrDecay, eps, scope });
  }
}
