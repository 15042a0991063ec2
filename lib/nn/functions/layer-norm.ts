import { ops } from '../../core/native-ops.ts';
import { positive, readOptions, type Schema } from '../../core/schema.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

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

const own = defineOwn('layerNorm', (f, x: Arg, weight: Arg, bias: Arg | undefined, eps: number) => {
  const { device } = f;
  const w = tensorOf(weight);
  const input = tensorOf(x);
  const out = f.buffer(x.shape, x.dtype);
  ops.layerNorm(device, { x: input, weight: w, bias: bias && tensorOf(bias), out, eps });
  return {
    out,
    inputs: [x, weight, bias],
    backward: (grad, to) =>
      to.addAll([x, weight, bias], ([dx, gradWeight, gradBias], [betaX, betaWeight, betaBias]) => {
        const outs = { gradX: dx ?? f.scratch(x.shape, x.dtype), gradWeight, gradBias };
        ops.layerNormBackward(device, { grad, x: input, weight: w, ...outs, eps, betaX, betaWeight, betaBias });
      }),
    // The Jacobian of the normalization is symmetric: its way back is its tangent.
    tangent: (d, dout) => {
      const [dx, dw, db] = [d(x), d(weight), d(bias)];
      if (dx) {
        ops.layerNormBackward(device, { grad: dx, x: input, gradX: dout, eps });
        ops.scaleAxis(device, { x: dout, scale: w, out: dout });
      } else ops.fill(device, { x: [dout], value: 0 });
      if (dw) {
        const h = f.scratch(x.shape, x.dtype);
        ops.layerNorm(device, { x: input, weight: dw, out: h, eps });
        ops.linearCombination(device, { out: [dout], terms: [dout, h], coefficients: [1, 1] });
      }
      if (db) ops.addBias(device, { x: dout, bias: db, out: dout });
    },
  };
});

/**
 * (x − mean) / √(variance + eps) · weight + bias over the last axis (Ba et al. 2016).
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export const layerNorm = ({ weight, bias }: Norm, x: Arg, options: LayerNormOptions = {}): Value =>
  own(x, weight, bias, readOptions('nn.layerNorm', options, schema).eps);
