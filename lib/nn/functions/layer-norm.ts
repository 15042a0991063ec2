import { positive, readOptions, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineOwn, layerOf, tensorOf, type Value } from '../tape/define.ts';
import { ruleOfNorm } from './normalization.ts';

/** The scale and the shift of a normalization, `[width]` each. */
export interface Norm {
  /** The scale. */
  weight: Arg;
  /** The shift. Default: none. */
  bias?: Arg;
}

/** Options of {@link layerNorm}. */
export interface LayerNormOptions {
  /** Added to the variance: positive. Default: 1e-5. */
  eps?: number | undefined;
}

const schema: Schema<{ eps: number }> = { eps: positive(1e-5) };

const own = defineOwn(
  'layerNorm',
  (f, x: Arg, weight: Arg, bias: Arg | undefined, eps: number) => {
    const input = tensorOf(x);
    const out = f.buffer(x.shape, x.dtype);
    const run = (w: Tensor, to: Tensor, shift?: Tensor) =>
      f.ops.layerNorm({ x: input, weight: w, bias: shift, out: to, eps });
    run(tensorOf(weight), out, bias && tensorOf(bias));
    return ruleOfNorm(f, out, [x, weight, bias], run, (to) =>
      f.ops.layerNormBackward({
        x: input,
        weight: to.weight,
        grad: to.grad,
        gradX: to.gradX ?? f.scratch(x.shape, x.dtype),
        gradWeight: to.gradWeight,
        gradBias: to.gradBias,
        betaX: to.betaX,
        betaWeight: to.betaWeight,
        betaBias: to.betaBias,
        eps,
      }),
    );
  },
  ['x', 'weight'],
);

/**
 * (x − mean) / √(variance + eps) · weight + bias over the last axis (Ba et al. 2016).
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export function layerNorm(norm: Norm, x: Arg, options: LayerNormOptions = {}): Value {
  const { weight, bias } = layerOf('nn.layerNorm', norm);
  return own(x, weight, bias, readOptions('nn.layerNorm', options, schema).eps);
}
