// A small convolutional network for handwritten digits, and its training with L_orth added to the loss.
import { AdamW, ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';

/** @import { Device } from 'orthokit' @import { Examples } from '../digits/data.mjs' */

/** Pixels along a side of an image. */
export const side = 28;

/** Three convolutions that halve the image, then a linear layer. */
export class Network {
  /** @param {nn.Init} make @param {number} classes */
  constructor(make, classes) {
    this.convs = [make.conv2d(1, 8, 3), make.conv2d(8, 16, 3), make.conv2d(16, 32, 3)];
    this.head = make.linear(4 * 4 * 32, classes);
  }

  /** @param {nn.Arg} images `[N, 28, 28, 1]` @returns {nn.Value} */
  forward(images) {
    /** @type {nn.Arg} */
    let x = images;
    for (const conv of this.convs) x = nn.relu(nn.conv2d(conv, x, { stride: 2, padding: 1 }));
    return nn.linear(this.head, nn.reshape(x, [x.shape[0], 4 * 4 * 32]));
  }
}

/** The parts of the examples with these numbers, on the device. */
export class Digits {
  /** @param {Device} device @param {Examples} examples */
  constructor(device, { images, labels }) {
    this.count = labels.length;
    this.images = Tensor.from(device, images, [labels.length, side * side]);
    this.labels = Tensor.from(device, labels, [labels.length]);
  }

  /** @param {Int32Array} numbers @returns {[Tensor, Tensor]} */
  batch(numbers) {
    const { device } = this.images;
    const index = Tensor.from(device, numbers, [numbers.length]);
    const images = new Tensor(device, [numbers.length, side * side]);
    const labels = new Tensor(device, [numbers.length], 'i32');
    ops.gatherRows(device, { x: this.images, index, out: images });
    ops.gatherRows(device, { x: this.labels, index, out: labels });
    return [images.reshape([numbers.length, side, side, 1]), labels];
  }
}

/** Digits that a network is asked for at once. */
const testBatch = 250;

/**
 * Trains a network, the learning rate falling to a tenth.
 *
 * @param {Device} device
 * @param {{ train: Digits, classes: number, weight: number, epochs: number, seed: number }} options `weight` of L_orth of
 * each convolution; 0 is training without it
 */
export async function trained(device, { train, classes, weight, epochs, seed }) {
  const model = new Network(nn.init(device, { seed }), classes);
  const optimizer = new AdamW(nn.select(model, '**'), { weightDecay: 0 });
  const step = nn.valueAndGrad(
    (/** @type {nn.Traced<Network>} */ m, /** @type {Tensor} */ images, /** @type {Tensor} */ labels) =>
      nn.crossEntropy(/** @type {Network} */ (m).forward(images), labels),
  );
  const regularizer = new nn.ConvOrthRegularizer(nn.select(model, 'convs.*.weight'), { stride: 2, weight });
  const size = Math.min(64, train.count);
  const steps = epochs * Math.floor(train.count / size);
  const rate = nn.cosine({ peak: 4e-3, warmup: Math.ceil(steps / 20), steps, floor: 4e-4 });
  let done = 0;
  for (const { index } of nn.batches({ count: train.count, size, seed })) {
    if (done === steps) break;
    for (const group of optimizer.groups) group.lr = rate(done);
    const { grads } = step(model, ...train.batch(index));
    if (weight > 0) regularizer.addTo(grads);
    optimizer.step(grads);
    done += 1;
    await device.flow();
  }
  for (const one of [optimizer, regularizer, step]) one.dispose();
  return model;
}

/**
 * The share of digits that a network knows with noise of this deviation on every pixel.
 *
 * @param {Network} model @param {Digits} test @param {number} deviation @param {number} seed
 */
export async function accuracy(model, test, deviation, seed) {
  const { device } = test.images;
  const correct = Tensor.zeros(device, [1], { dtype: 'i32' });
  const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
  const predict = nn.forward((/** @type {Network} */ m, /** @type {Tensor} */ images) => m.forward(images));
  let sum = 0;
  for (let first = 0; first < test.count; first += testBatch) {
    const count = Math.min(testBatch, test.count - first);
    const [images, labels] = test.batch(Int32Array.from({ length: count }, (_, i) => first + i));
    const noise = Tensor.randn(device, images.shape, { seed, offset: first * side * side });
    ops.linearCombination(device, { out: [images], terms: [images, noise], coefficients: [1, deviation] });
    ops.softmaxCrossEntropy(device, { logits: predict(model, images), labels, loss, correct });
    sum += (await correct.read())[0];
  }
  predict.dispose();
  return sum / test.count;
}

/**
 * The least and the largest singular value of each convolution, over circular images of 8 × 8.
 *
 * @param {Network} model
 */
export async function extremes(model) {
  const all = [];
  for (const { weight } of model.convs) {
    const values = await nn.convSingularValues(weight, { stride: 2, size: 8 });
    all.push([values[values.length - 1], values[0]]);
  }
  return all;
}
