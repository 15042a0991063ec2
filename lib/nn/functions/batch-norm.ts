import { OrthokitError, refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { fraction, positive, readOptions, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, isResult, tensorOf, type Value } from '../tape/value.ts';

/** A batch normalization, `[channels]` each. */
export interface BatchNorm {
  /** The scale. */
  weight: Arg;
  /** The shift. */
  bias: Arg;
  /** The running mean, a {@link buffer}: f32, f64 where x is. */
  mean: Arg;
  /** The running variance, likewise. */
  variance: Arg;
}

/** Options of {@link batchNorm}. */
export interface BatchNormOptions {
  /** Added to the variance: positive. Default: 1e-5. */
  eps?: number | undefined;
  /** The share of the batch in the running moments after it: in [0, 1). Default: 0.1. */
  momentum?: number | undefined;
}

interface Numbers {
  eps: number;
  momentum: number;
}
const schema: Schema<Numbers> = { eps: positive(1e-5), momentum: fraction(0.1) };

/** A running moment, which is written to and not trained. */
function bufferOf(name: string, x: Arg): Tensor {
  if (isResult(x)) throw refusal('batchNorm', name, 'be an nn.buffer, which is not trained', 'a parameter');
  return x as Tensor;
}

const own = defineOwn(
  'batchNorm',
  (f, x: Arg, weight: Arg, bias: Arg, runningMean: Arg, runningVariance: Arg, { eps, momentum }: Numbers) => {
    const { device } = f;
    const { moments: running, samples } = f.tape.options;
    if (samples !== undefined)
      throw new OrthokitError(
        'ERR_UNSUPPORTED',
        'batchNorm: perSample must meet functions of each sample alone, got the moments of all samples',
      );
    const [mean, variance] = [bufferOf('mean', runningMean), bufferOf('variance', runningVariance)];
    const given = { x: tensorOf(x), weight: tensorOf(weight), bias: tensorOf(bias), eps };
    const out = f.buffer(x.shape, x.dtype);
    if (!running) {
      ops.batchNorm(device, { ...given, mean, variance, out, using: 'running' });
      return { out, inputs: [x, weight, bias], backward: () => {} };
    }
    const moments = f.buffer([2, x.shape.at(-1) ?? 1], 'f64');
    ops.batchNorm(device, { ...given, ...(running === 'move' && { mean, variance, momentum }), out, moments });
    const gradients = { x: given.x, moments };
    return {
      out,
      inputs: [x, weight, bias],
      backward: (grad, to) =>
        to.addAll([x, weight, bias], ([gradX, gradWeight, gradBias], [betaX, betaWeight, betaBias]) => {
          const betas = { betaX, betaWeight, betaBias };
          const outs = { gradX, gradWeight, gradBias };
          ops.batchNormBackward(device, { grad, ...gradients, weight: given.weight, ...outs, ...betas });
        }),
      // The Jacobian of the normalization is symmetric: its way back is its tangent.
      tangent: (d, dout) => {
        const [dx, dw, db] = [d(x), d(weight), d(bias)];
        if (dx) {
          ops.batchNormBackward(device, { grad: dx, ...gradients, gradX: dout });
          ops.scaleAxis(device, { x: dout, scale: given.weight, out: dout });
        } else ops.fill(device, { x: [dout], value: 0 });
        if (dw) {
          const part = f.scratch(x.shape, x.dtype);
          ops.batchNorm(device, { x: given.x, weight: dw, out: part, eps });
          ops.linearCombination(device, { out: [dout], terms: [dout, part], coefficients: [1, 1] });
        }
        if (db) ops.addBias(device, { x: dout, bias: db, out: dout });
      },
    };
  },
);

/**
 * (x − mean) / √(variance + eps) · weight + bias for each channel, the last axis (Ioffe and Szegedy 2015). In a call
 * that gives gradients the moments are those of the batch, and {@link valueAndGrad} moves the running ones on, once;
 * {@link forward} takes the running ones.
 * @throws ERR_ARGUMENT for what is no option, and for running moments that are parameters; ERR_SHAPE for one row, of
 * which there is no variance; ERR_DTYPE; ERR_UNSUPPORTED with perSample
 */
export const batchNorm = ({ weight, bias, mean, variance }: BatchNorm, x: Arg, options: BatchNormOptions = {}): Value =>
  own(x, weight, bias, mean, variance, readOptions('nn.batchNorm', options, schema));
