import { ops } from '../../core/native-ops.ts';
import { positive, readOptions, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
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
  const input = f.rows(x);
  const out = f.buffer(x.shape, x.dtype);
  ops.layerNorm(device, { x: input, weight: w, bias: bias && tensorOf(bias), out: f.rows(out), eps });
  return {
    out,
    inputs: [x, weight, bias],
    backward: (grad, to) =>
      to.setAll([x, weight, bias], ([dx, gradWeight, gradBias]) => {
        const gradX = f.rows(dx ?? f.scratch(x.shape, x.dtype));
        ops.layerNormBackward(device, { grad: f.rows(grad), x: input, weight: w, gradX, gradWeight, gradBias, eps });
      }),
    // The Jacobian of the normalization is symmetric: its way back is its tangent.
    tangent: (d, dout) => {
      const [dx, dw, db] = [d(x), d(weight), d(bias)];
      const o = f.rows(dout);
      const [rows] = o.shape;
      const zeros = f.scratch([rows!], 'i32');
      ops.fill(device, { x: [zeros], value: 0 });
      const timesColumns = (scale: Tensor, y: Tensor) => {
        const all = f.scratch(y.shape, y.dtype);
        ops.gatherRows(device, { x: f.view(scale, [1, scale.size]), index: zeros, out: all });
        ops.multiply(device, { x: [y], y: [all], out: [y] });
      };
      if (dx) {
        ops.layerNormBackward(device, { grad: f.rows(dx), x: input, gradX: o, eps });
        timesColumns(w, o);
      } else ops.fill(device, { x: [o], value: 0 });
      if (dw) {
        const h = f.scratch(o.shape, x.dtype);
        ops.layerNorm(device, { x: input, out: h, eps });
        timesColumns(dw, h);
        ops.linearCombination(device, { out: [o], terms: [o, h], coefficients: [1, 1] });
      }
      if (db) ops.addBias(device, { x: o, bias: db, out: o });
    },
  };
});

/**
 * (x − mean) / √(variance + eps) · weight + bias over the last axis (Ba et al. 2016).
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export const layerNorm = ({ weight, bias }: Norm, x: Arg, options: LayerNormOptions = {}): Value =>
  own(x, weight, bias, readOptions('nn.layerNorm', options, schema).eps);
