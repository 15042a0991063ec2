import { ops } from '../../core/native-ops.ts';
import { positive, readOptions, type Schema } from '../../core/schema.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';
import type { Norm } from './layer-norm.ts';

/** Options of {@link rmsNorm}. */
export interface RmsNormOptions {
  /** Added to the mean square: positive. Default: 1e-6. */
  eps?: number | undefined;
}

const schema: Schema<{ eps: number }> = { eps: positive(1e-6) };

const own = defineOwn('rmsNorm', (f, x: Arg, weight: Arg, eps: number) => {
  const { device } = f;
  const [input, w] = [tensorOf(x), tensorOf(weight)];
  const out = f.buffer(x.shape, x.dtype);
  ops.rmsNorm(device, { x: input, weight: w, out, eps });
  return {
    out,
    inputs: [x, weight],
    backward: (grad, to) =>
      to.addAll([x, weight], ([gradX, gradWeight], [betaX, betaWeight]) =>
        ops.rmsNormBackward(device, { grad, x: input, weight: w, gradX, gradWeight, betaX, betaWeight, eps }),
      ),
    // The Jacobian of the normalization is symmetric: its way back is its tangent.
    tangent: (d, dout) => {
      const [dx, dw] = [d(x), d(weight)];
      if (dx) {
        ops.rmsNormBackward(device, { grad: dx, x: input, gradX: dout, eps });
        ops.scaleAxis(device, { x: dout, scale: w, out: dout });
      }
      if (!dw) return;
      const part = dx ? f.scratch(x.shape, x.dtype) : dout;
      ops.rmsNorm(device, { x: input, weight: dw, out: part, eps });
      if (dx) ops.linearCombination(device, { out: [dout], terms: [dout, part], coefficients: [1, 1] });
    },
  };
});

/**
 * x / √(mean(x²) + eps) · weight over the last axis (Zhang and Sennrich 2019).
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export const rmsNorm = ({ weight }: Pick<Norm, 'weight'>, x: Arg, options: RmsNormOptions = {}): Value =>
  own(x, weight, readOptions('nn.rmsNorm', options, schema).eps);
