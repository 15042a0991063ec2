import { OrthokitError, refusal } from '../../core/errors.ts';
import { fraction, positive, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineOwn, isResult, layerOf, tensorOf, type Value } from '../tape/define.ts';
import { ruleOfNorm } from './normalization.ts';

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

type Numbers = Resolved<BatchNormOptions>;
const schema: Schema<Numbers> = { eps: positive(1e-5), momentum: fraction(0.1) };

/** A running moment, which is written to and not trained. */
function bufferOf(name: string, x: Arg): Tensor {
  if (isResult(x)) throw refusal('batchNorm', name, 'be an nn.buffer, which is not trained', 'a parameter');
  return x as Tensor;
}

const own = defineOwn(
  'batchNorm',
  (f, x: Arg, weight: Arg, bias: Arg, runningMean: Arg, runningVariance: Arg, { eps, momentum }: Numbers) => {
    const { moments: running, samples } = f.tape.options;
    if (samples !== undefined)
      throw new OrthokitError(
        'ERR_UNSUPPORTED',
        'batchNorm: perSample must meet functions of each sample alone, got the moments of all samples',
      );
    const [mean, variance] = [bufferOf('mean', runningMean), bufferOf('variance', runningVariance)];
    const input = tensorOf(x);
    const out = f.buffer(x.shape, x.dtype);
    const [w, shift] = [tensorOf(weight), tensorOf(bias)];
    if (!running) {
      f.ops.batchNorm({ x: input, weight: w, bias: shift, mean, variance, out, eps, using: 'running' });
      return { out, inputs: [x, weight, bias], backward: () => {} };
    }
    const moments = f.buffer([2, x.shape[x.shape.length - 1] ?? 1], 'f64');
    if (running === 'move')
      f.ops.batchNorm({ x: input, weight: w, bias: shift, mean, variance, momentum, out, moments, eps });
    else f.ops.batchNorm({ x: input, weight: w, bias: shift, out, moments, eps });
    return ruleOfNorm(
      f,
      out,
      [x, weight, bias],
      (w, to) => f.ops.batchNorm({ x: input, weight: w, out: to, eps }),
      ({ grad, weight: scale, gradX, betaX, gradWeight, betaWeight, gradBias, betaBias }) =>
        f.ops.batchNormBackward({ x: input, moments, grad, weight: scale, gradX, betaX, gradWeight, betaWeight, gradBias, betaBias }), // biome-ignore format: one line
    );
  },
  ['x', 'weight', 'bias', 'mean', 'variance'],
);

/**
 * (x − mean) / √(variance + eps) · weight + bias for each channel, the last axis (Ioffe and Szegedy 2015). In a call
 * that gives gradients the moments are those of the batch, and {@link valueAndGrad} moves the running ones on, once;
 * {@link forward} takes the running ones.
 * @throws ERR_ARGUMENT for what is no option, and for running moments that are parameters; ERR_SHAPE for one row, of
 * which there is no variance; ERR_DTYPE; ERR_UNSUPPORTED with perSample
 */
export function batchNorm(norm: BatchNorm, x: Arg, options: BatchNormOptions = {}): Value {
  const { weight, bias, mean, variance } = layerOf('nn.batchNorm', norm);
  return own(x, weight, bias, mean, variance, readOptions('nn.batchNorm', options, schema));
}
