import { kind, portion, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import { type Arg, defineLoss, lossOf, type TapeFrame, tensorOf, type Value } from '../tape/define.ts';
import { checkSamples } from '../tape/sample-checks.ts';

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /**
   * The sum of the losses is divided by it: a positive number, or f32[1] or f64[1] on the device. Micro-batches of
   * unequal counts give the gradient of the whole batch by the count of that. Default: the number of labels from 0 on.
   */
  over?: number | Tensor | undefined;
  /** A factor for each class, in the dtype of the logits: `[classes]`. Default: 1 each. */
  weights?: Tensor | undefined;
  /** The share of each label that is spread over all classes: in [0, 1] (Szegedy et al. 2016). Default: 0. */
  smoothing?: number | undefined;
}

type Settled = Resolved<CrossEntropyOptions, 'over' | 'weights'>;
const schema: Schema<Settled> = {
  over: kind((x) => isTensor(x) || (typeof x === 'number' && x > 0 && x < Infinity), 'a positive number or a tensor'),
  weights: kind(isTensor, 'a tensor'),
  smoothing: portion(0),
};

/** 1 / the number of labels that count in a row's sample, for each row, `[rows]`. */
function sharesOfSamples(f: TapeFrame, labels: Tensor, samples: number, dtype: Tensor['dtype']): Tensor {
  const shape = [samples, labels.size / Math.max(1, samples)];
  const [counts, ones, share] = [f.scratch(shape, dtype), f.scratch(shape, dtype), f.scratch([samples], dtype)];
  f.ops.cast({ x: [f.view(labels, shape)], out: [counts] });
  f.ops.map({ x: [counts], out: [counts], function: 'clamp', parameters: [-1, 0] });
  f.ops.fill({ x: [ones], value: 1 });
  f.combine(counts, [counts, ones], [1, 1]);
  f.ops.rowReduce({ x: counts, out: share });
  f.ops.map({ x: [share], out: [share], function: 'clamp', parameters: [1, Infinity] });
  f.ops.map({ x: [share], out: [share], function: 'power', parameters: [-1] });
  f.ops.scaleAxis({ x: ones, scale: share, out: ones, axis: 0 });
  return f.view(ones, [labels.size]);
}

const own = defineLoss(
  'crossEntropy',
  (f, logits: Arg, labels: Tensor, options: Settled) => {
    const x = tensorOf(logits);
    for (const other of [options.weights, options.over]) if (isTensor(other)) f.tensor(other);
    const { over, weights, smoothing } = options;
    const out = f.buffer([1], 'f64');
    f.ops.softmaxCrossEntropy({ logits: x, labels, loss: out, over, weights, smoothing });
    return lossOf(out, {
      x: logits,
      over: 'sum',
      back: (grad, scale, samples) => {
        if (samples !== undefined) checkSamples(logits, samples);
        // The mean of each sample alone.
        const isAlone = samples !== undefined && over === undefined;
        const rowWeights = isAlone ? sharesOfSamples(f, labels, samples, x.dtype) : undefined;
        const divisor = isAlone ? 1 : over;
        f.ops.softmaxCrossEntropyBackward({ logits: x, labels, grad, over: divisor, weights, smoothing, rowWeights, scale }); // biome-ignore format: one line
      },
      curvature: (direction, grad) =>
        f.ops.softmaxCrossEntropyBackward({ logits: x, labels, grad, over, weights, smoothing, direction }),
    });
  },
  ['logits', 'labels'],
);

/**
 * The mean of −ln softmax(logits) at the labels, over the labels from 0 on: logits `[…, classes]`, labels i32 `[…]`. A
 * loss without a label that counts is 0, and so is its gradient. PyTorch divides weighted losses by the weights of
 * their labels; `over` does so here.
 * @throws ERR_ARGUMENT for what is no option, and for weights that are a parameter; ERR_SHAPE, ERR_DTYPE
 */
export const crossEntropy = (logits: Arg, labels: Tensor, options: CrossEntropyOptions = {}): Value =>
  own(logits, labels, readOptions('nn.crossEntropy', options, schema));
