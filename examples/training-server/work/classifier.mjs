import { ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Cnn } from '../../digits/cnn.mjs';
import { imagesOf } from './data.mjs';
import { JobError } from './job-error.mjs';
import { tooLarge } from './memory.mjs';

/** @import { Device } from 'orthokit' */
/** @import { Task } from './train.mjs' */

/** Dense layers with ReLU between them. */
class Mlp {
  /** @param {nn.Init} make @param {readonly number[]} sizes */
  constructor(make, sizes) {
    this.layers = sizes.slice(1).map((outputs, i) => make.linear(sizes[i], outputs));
  }

  /** @param {nn.Arg} x `[N, inputs]` @returns {nn.Value} logits `[N, classes]` */
  forward(x) {
    for (const [i, layer] of this.layers.entries()) x = nn.linear(layer, i > 0 ? nn.relu(x) : x);
    return /** @type {nn.Value} */ (x);
  }
}

const testBatch = 256;

/**
 * A network that classifies images.
 *
 * @param {Device} device
 * @param {'mlp' | 'cnn'} kind
 * @param {Record<string, any>} params
 * @param {string | undefined} folder of data
 * @param {number} most bytes of memory
 * @returns {Promise<Task>}
 */
export async function classifier(device, kind, params, folder, most) {
  const { train, test, size, classes } = await imagesOf(folder, params.data);
  if (kind === 'cnn' && size !== 784)
    throw new JobError('ERR_SHAPE', `a cnn takes images of 28 × 28 pixels, and those of ${params.data} have ${size}`);
  if (params.batch > train.labels.length)
    throw new JobError('ERR_ARGUMENT', `batch must be at most ${train.labels.length}, the images to train on`);
  const refusal = tooLarge(kind, params, most, { size, classes });
  if (refusal) throw new JobError('ERR_ARGUMENT', refusal);
  const make = nn.init(device, { seed: params.seed });
  const shape = kind === 'cnn' ? [28, 28, 1] : [size];
  const model =
    kind === 'cnn'
      ? new Cnn(make, { channels: params.channels, classes })
      : new Mlp(make, [size, ...params.hidden, classes]);
  const ink = Tensor.from(device, train.images, [train.labels.length, size]);
  const testInk = Tensor.from(device, test.images, [test.labels.length, size]);
  const step = nn.valueAndGrad((/** @type {any} */ network, /** @type {Tensor} */ rows, /** @type {Tensor} */ labels) =>
    nn.crossEntropy(network.forward(imagesAt(ink, rows)), labels),
  );
  const classify = nn.forward((/** @type {any} */ network, /** @type {Tensor} */ rows) =>
    network.forward(imagesAt(testInk, rows)),
  );
  /** @param {Tensor} from @param {Tensor} rows */
  const imagesAt = (from, rows) => nn.reshape(nn.embedding({ weight: from }, rows), [rows.size, ...shape]);
  /** @param {Int32Array} labels @param {Int32Array} rows @returns {[Tensor, Tensor]} */
  const batchOf = (labels, rows) => [
    Tensor.from(device, rows, [rows.length]),
    Tensor.from(
      device,
      rows.map((row) => labels[row]),
      [rows.length],
    ),
  ];

  return {
    model,
    step,
    count: train.labels.length,
    inputs: (index) => batchOf(train.labels, index),
    config: { model_type: `orthokit-example-${kind}`, classes, ...(kind === 'mlp' ? { hidden: params.hidden } : {}) },
    async result() {
      const [loss, correct] = [
        Tensor.zeros(device, [1], { dtype: 'f64' }),
        Tensor.zeros(device, [1], { dtype: 'i32' }),
      ];
      let [sum, total] = [0, 0];
      for (let first = 0; first < test.labels.length; first += testBatch) {
        const count = Math.min(testBatch, test.labels.length - first);
        const [rows, labels] = batchOf(
          test.labels,
          Int32Array.from({ length: count }, (_, i) => first + i),
        );
        ops.softmaxCrossEntropy(device, { logits: classify(model, rows), labels, loss, correct });
        sum += (await correct.read())[0];
        total += count * (await loss.read())[0];
      }
      return { testAccuracy: sum / test.labels.length, testLoss: total / test.labels.length };
    },
  };
}
