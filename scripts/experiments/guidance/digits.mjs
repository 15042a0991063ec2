// Digits of 14 × 14 pixels from −1, paper, to 1, ink; and a judge that tells them.
import { AdamW, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { loadDigits, shuffledBatches } from '../../../examples/digits/data.mjs';

/** @import { Device } from 'orthokit' */
/** @typedef {{ images: Float32Array, labels: Int32Array }} Digits rows of `pixels` numbers */

export const side = 14;
export const pixels = side * side;
export const classes = 10;

/** Means of 2 × 2 pixels. @param {Digits} digits @returns {Digits} */
function halved({ images, labels }) {
  const out = new Float32Array(labels.length * pixels);
  for (let i = 0; i < labels.length; ++i)
    for (let y = 0; y < side; ++y)
      for (let x = 0; x < side; ++x) {
        const at = i * 4 * pixels + 4 * y * side + 2 * x;
        out[i * pixels + y * side + x] =
          (images[at] + images[at + 1] + images[at + 2 * side] + images[at + 2 * side + 1]) / 2 - 1;
      }
  return { images: out, labels };
}

/** @returns {{ train: Digits, test: Digits }} */
export function smallDigits() {
  const { train, test } = loadDigits();
  return { train: halved(train), test: halved(test) };
}

/** Labels of images by a network that has seen real digits alone. @param {Device} device @param {Digits} train @param {{ steps: number, seed: number }} options */
export async function judgeOf(device, train, { steps, seed }) {
  const make = nn.init(device, { seed: 500 + seed });
  const model = { hidden: make.linear(pixels, 128), head: make.linear(128, classes) };
  const logits = (/** @type {any} */ own, /** @type {nn.Arg} */ x) =>
    nn.linear(own.head, nn.relu(nn.linear(own.hidden, x)));
  const optimizer = new AdamW(nn.parameters(model), { lr: 2e-3 });
  const step = nn.valueAndGrad((/** @type {any} */ own, /** @type {Tensor} */ x, /** @type {Tensor} */ y) =>
    nn.crossEntropy(logits(own, x), y),
  );
  const batchSize = 64;
  const epochs = Math.ceil((steps * batchSize) / train.labels.length);
  for (const index of shuffledBatches({ count: train.labels.length, epochs, batchSize, seed }).flat().slice(0, steps)) {
    const data = new Float32Array(batchSize * pixels);
    for (const [i, at] of index.entries()) data.set(train.images.subarray(at * pixels, (at + 1) * pixels), i * pixels);
    const [x, y] = [
      Tensor.from(device, data, [batchSize, pixels]),
      Tensor.from(
        device,
        Int32Array.from(index, (at) => train.labels[at]),
        [batchSize],
      ),
    ];
    const { value, grads } = step(model, x, y);
    optimizer.step(grads);
    await value.read();
    for (const tensor of [x, y]) tensor.dispose();
  }
  const run = nn.forward(logits);
  return async (/** @type {Float32Array} */ images) => {
    const count = images.length / pixels;
    const x = Tensor.from(device, images, [count, pixels]);
    const found = await run(model, x).read();
    x.dispose();
    return Int32Array.from({ length: count }, (_, i) => {
      const row = found.subarray(i * classes, (i + 1) * classes);
      return row.indexOf(Math.max(...row));
    });
  };
}
