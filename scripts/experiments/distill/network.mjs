// A small CNN of digits: teachers and students; and a teacher's loss of images, with the moments that it remembers.
import { AdamW, ops, Tensor } from 'orthokit';
import { bnStatisticsLoss } from 'orthokit/data';
import * as nn from 'orthokit/nn';
import { classes, pixels, side } from '../guidance/digits.mjs';

/** @import { Device } from 'orthokit' */
/** @import { Digits } from '../guidance/digits.mjs' */

const channels = [8, 16, 32];
/** The number that nn.batchNorm adds to variances. */
const eps = 1e-5;

export class Cnn {
  /** @param {nn.Init} make */
  constructor(make) {
    this.layers = channels.map((outputs, i) => ({
      conv: make.conv2d(i === 0 ? 1 : channels[i - 1], outputs, 3, { bias: false }),
      norm: make.batchNorm(outputs),
    }));
    this.head = make.linear(3 * 3 * channels[2], classes);
  }

  /** @param {nn.Arg} images `[N, side, side, 1]` @param {(x: nn.Value, i: number) => nn.Value} [normalize] @returns {nn.Value} */
  forward(images, normalize = (x, i) => nn.batchNorm(this.layers[i].norm, x)) {
    /** @type {nn.Arg} */
    let x = images;
    for (const [i, { conv }] of this.layers.entries()) {
      if (i > 0) x = nn.pool2d(x, { kind: 'max', size: 2 });
      x = nn.relu(normalize(nn.conv2d(conv, x, { padding: 'same' }), i));
    }
    return nn.linear(this.head, nn.reshape(x, [x.shape[0], 3 * 3 * channels[2]]));
  }
}

/** Trains on images and labels, or on probabilities of labels. @param {Device} device @param {Digits} digits @param {{ steps: number, batch: number, seed: number, rate?: number }} options */
export async function trained(device, { images, labels }, { steps, batch, seed, rate: peak = 3e-3 }) {
  const model = new Cnn(nn.init(device, { seed }));
  const optimizer = new AdamW(nn.parameters(model), { weightDecay: 0.01 });
  const rate = nn.cosine({ peak, warmup: Math.ceil(steps / 20), steps, floor: peak / 100 });
  const step = nn.valueAndGrad((/** @type {any} */ own, /** @type {Tensor} */ x, /** @type {Tensor} */ y) =>
    nn.crossEntropy(own.forward(x), y),
  );
  const all = nn.batches({ count: labels.length, size: Math.min(batch, labels.length), seed })[Symbol.iterator]();
  for (let i = 0; i < steps; ++i) {
    const { index } = all.next().value;
    const data = new Float32Array(index.length * pixels);
    for (const [j, at] of index.entries()) moved(images, at, data, j, i * 7919 + j + seed);
    const x = Tensor.from(device, data, [index.length, side, side, 1]);
    const y = Tensor.from(
      device,
      Int32Array.from(index, (at) => labels[at]),
      [index.length],
    );
    for (const group of optimizer.groups) group.lr = rate(i);
    const { value, grads } = step(model, x, y);
    optimizer.step(grads);
    await value.read();
    for (const tensor of [x, y]) tensor.dispose();
  }
  step.dispose();
  return model;
}

/** A digit by up to a pixel each way: all learn from those. @param {Float32Array} images @param {number} at @param {Float32Array} out @param {number} to @param {number} draw */
function moved(images, at, out, to, draw) {
  const mixed = Math.imul(draw ^ (draw >>> 15), 0x85ebca6b) >>> 0;
  const [down, right] = [(mixed % 3) - 1, (Math.floor(mixed / 3) % 3) - 1];
  for (let y = 0; y < side; ++y)
    for (let x = 0; x < side; ++x) {
      const [a, b] = [y + down, x + right];
      const isInside = a >= 0 && a < side && b >= 0 && b < side;
      out[to * pixels + y * side + x] = isInside ? images[at * pixels + a * side + b] : -1;
    }
}

/** The share of digits that a network tells. @param {Device} device @param {Cnn} model @param {Digits} digits */
export async function shareRight(device, model, { images, labels }) {
  const run = nn.forward((/** @type {Cnn} */ own, /** @type {Tensor} */ x) => own.forward(x));
  let right = 0;
  for (let from = 0; from < labels.length; from += 500) {
    const to = Math.min(labels.length, from + 500);
    const x = Tensor.from(device, images.subarray(from * pixels, to * pixels), [to - from, side, side, 1]);
    const found = await run(model, x).read();
    for (let i = 0; i < to - from; ++i) {
      const row = found.subarray(i * classes, (i + 1) * classes);
      right += Number(row.indexOf(Math.max(...row)) === labels[from + i]);
    }
    x.dispose();
  }
  run.dispose();
  return right / labels.length;
}

/** A layer that gives its input as it is, and pulls its moments to those that a batch norm remembers. */
const pulled = nn.defineFunction(
  'pulled',
  (
    frame,
    /** @type {nn.Arg} */ x,
    /** @type {Tensor} */ mean,
    /** @type {Tensor} */ variance,
    /** @type {number} */ weight,
  ) => {
    const given = frame.tensor(x);
    const [out, pull] = [frame.buffer(x.shape, x.dtype), frame.buffer(x.shape, x.dtype)];
    ops.copy(frame.device, { x: [given], out: [out] });
    bnStatisticsLoss(given, mean, variance, { gradOut: pull, weight }).dispose();
    return {
      out,
      inputs: [x],
      backward: (grad, to) =>
        to.set(x, (dx) =>
          ops.linearCombination(frame.device, { out: [dx], terms: [grad, pull], coefficients: [1, 1] }),
        ),
    };
  },
);

/**
 * A teacher as `CurriculumSynthesizer` asks it: cross-entropy under the moments that it remembers, and how far those of the images
 * are from them.
 *
 * @param {Device} device @param {Cnn} model @param {number} pull weight of the moments @returns {Promise<import('orthokit/data').SynthesisTeacher>}
 */
export async function teacherOf(device, model, pull) {
  // A batch norm that stands still is a factor and a shift of each channel.
  const still = [];
  for (const { norm } of model.layers) {
    const [weight, bias, mean, variance] = await Promise.all(
      [norm.weight, norm.bias, norm.mean, norm.variance].map((x) => x.read()),
    );
    const count = weight.length;
    const factor = Float32Array.from(weight, (w, c) => w / Math.sqrt(variance[c] + eps));
    const diagonal = Float32Array.from({ length: count ** 2 }, (_, i) =>
      i % (count + 1) === 0 ? factor[i / (count + 1)] : 0,
    );
    const shift = Float32Array.from(bias, (b, c) => b - factor[c] * mean[c]);
    still.push({
      weight: nn.buffer(Tensor.from(device, diagonal, [count, count])),
      bias: nn.buffer(Tensor.from(device, shift, [count])),
    });
  }
  const frozen = nn.mapTensors(model, (tensor) => nn.buffer(tensor.copy()));
  const step = nn.valueAndGrad((/** @type {any} */ given, /** @type {Tensor} */ y) => {
    const logits = frozen.forward(given.images, (x, i) => {
      const { mean, variance } = frozen.layers[i].norm;
      // The first layer counts tenfold, as in the authors' program.
      return nn.linear(still[i], pulled(x, mean, variance, pull * (i === 0 ? 10 : 1)));
    });
    return nn.crossEntropy(logits, y);
  });
  return async (images, labels, gradOut) => {
    const y = Tensor.from(device, labels, [labels.length]);
    const { value, grads } = step({ images }, y);
    ops.copy(device, { x: [/** @type {Tensor} */ (grads.get(images))], out: [gradOut] });
    const [loss] = await value.read();
    y.dispose();
    return loss;
  };
}
