import { positive, readOptions, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineOwn, layerOf, tensorOf, type Value } from '../tape/define.ts';
import type { Norm } from './layer-norm.ts';
import { ruleOfNorm } from './normalization.ts';

/** Options of {@link rmsNorm}. */
export interface RmsNormOptions {
  /** Added to the mean square: positive. Default: 1e-6. */
  eps?: number | undefined;
}

const schema: Schema<{ eps: number }> = { eps: positive(1e-6) };

const own = defineOwn(
  'rmsNorm',
  (f, x: Arg, weight: Arg, eps: number) => {
    const input = tensorOf(x);
    const out = f.buffer(x.shape, x.dtype);
    const run = (w: Tensor, to: Tensor) => f.ops.rmsNorm({ x: input, weight: w, out: to, eps });
    run(tensorOf(weight), out);
    return ruleOfNorm(f, out, [x, weight], run, ({ grad, weight: w, gradX, betaX, gradWeight, betaWeight }) =>
      f.ops.rmsNormBackward({ x: input, grad, weight: w, gradX, betaX, gradWeight, betaWeight, eps }),
    );
  },
  ['x', 'weight'],
);

/**
 * x / √(mean(x²) + eps) · weight over the last axis (Zhang and Sennrich 2019).
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export const rmsNorm = (norm: Pick<Norm, 'weight'>, x: Arg, options: RmsNormOptions = {}): Value =>
  own(x, layerOf('nn.rmsNorm', norm).weight, readOptions('nn.rmsNorm', options, schema).eps);
