// Handwritten digits, by dense layers and by convolutions.
import { ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Cnn } from '../../../../examples/digits/cnn.mjs';
import { classes, loadDigits, pixels } from '../../../../examples/digits/data.mjs';

/** @type {ReturnType<typeof loadDigits> | undefined} */
let digits;

/**
 * Digits on the device; images that are asked for have the shape that the model takes.
 *
 * @param {import('orthokit').Device} device
 * @param {readonly number[]} shape of an image
 * @param {number} every of so many digits one is taken, to train and to test
 * @param {any} loss
 */
function digitsOn(device, shape, every, loss) {
  digits ??= loadDigits();
  const [train, test] = [digits.train, digits.test].map((all) => {
    const labels = all.labels.filter((_, i) => i % every === 0);
    const images = new Float32Array(labels.length * pixels);
    for (let i = 0; i < labels.length; ++i)
      images.set(all.images.subarray(i * every * pixels, (i * every + 1) * pixels), i * pixels);
    return {
      images: Tensor.from(device, images, [labels.length, pixels]),
      labels: Tensor.from(device, labels, [labels.length]),
    };
  });
  /** @param {typeof train} from @param {Int32Array} index */
  const batchOf = (from, index) => {
    const rows = Tensor.from(device, index, [index.length]);
    const x = new Tensor(device, [index.length, pixels]);
    const y = new Tensor(device, [index.length], 'i32');
    ops.gatherRows(device, { x: from.images, index: rows, out: x });
    ops.gatherRows(device, { x: from.labels, index: rows, out: y });
    rows.dispose();
    if (shape.length === 1) return [x, y];
    const images = x.reshape([index.length, ...shape]);
    x.dispose();
    return [images, y];
  };
  const evaluate = nn.forward(loss);
  return {
    count: train.labels.size,
    batch: (/** @type {Int32Array} */ index) => batchOf(train, index),
    test: async (/** @type {any} */ model) => {
      const size = Math.min(500, test.labels.size);
      let sum = 0;
      for (let first = 0; first < test.labels.size; first += size) {
        const batch = batchOf(
          test,
          Int32Array.from({ length: size }, (_, i) => first + i),
        );
        sum += /** @type {number} */ ((await evaluate(model, ...batch).read())[0]) * size;
        for (const tensor of batch) tensor.dispose();
      }
      return sum / test.labels.size;
    },
  };
}

const meanLoss = (/** @type {any} */ logits, /** @type {any} */ labels) => nn.crossEntropy(logits, labels);
const isMatrix = () => true;

/** @type {import('./index.mjs').Task} */
export const mlp = {
  name: 'mlp',
  title: 'Digits, dense layers',
  ...{ curved: true, tuned: false, isMatrix },
  sizes: {
    full: { samples: 40_000, batch: 128, hidden: 128, every: 1 },
    quick: { samples: 1536, batch: 64, hidden: 16, every: 7 },
  },
  model: (make, { hidden }) => {
    const widths = [pixels, hidden, hidden, classes];
    // He et al. 2015, for ReLU.
    return {
      layers: widths
        .slice(1)
        .map((outputs, i) => make.linear(widths[i], outputs, { deviation: Math.sqrt(2 / widths[i]) })),
    };
  },
  loss: ({ layers }, x, labels) => {
    const last = layers.length - 1;
    const inner = layers.slice(0, last).reduce((h, layer) => nn.relu(nn.linear(layer, h)), x);
    return meanLoss(nn.linear(layers[last], inner), labels);
  },
  data: (device, { every }, loss) => digitsOn(device, [pixels], every, loss),
};

/** @type {import('./index.mjs').Task} */
export const cnn = {
  name: 'cnn',
  title: 'Digits, convolutions',
  ...{ curved: true, tuned: false, isMatrix },
  sizes: {
    full: { samples: 24_000, batch: 128, channels: [8, 16, 32], every: 1 },
    quick: { samples: 256, batch: 32, channels: [2, 4, 4], every: 7 },
  },
  model: (make, { channels }) => new Cnn(make, { channels, classes }),
  loss: (model, x, labels) => meanLoss(model.forward(x), labels),
  data: (device, { every }, loss) => digitsOn(device, [28, 28, 1], every, loss),
};
