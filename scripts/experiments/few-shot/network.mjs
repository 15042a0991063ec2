// A small CNN that learns to tell letters, whose features are then asked about others.
import { AdamW, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { uniform } from '../uniform.mjs';
import { jittered, side } from './glyphs.mjs';

/** @import { Device } from 'orthokit' */
/** @import { Glyphs } from './glyphs.mjs' */

export const width = 64;
const channels = [16, 32, 32];

class Features {
  /** @param {nn.Init} make @param {number} classes */
  constructor(make, classes) {
    this.layers = channels.map((outputs, i) => ({
      conv: make.conv2d(i === 0 ? 1 : channels[i - 1], outputs, 3, { bias: false }),
      norm: make.batchNorm(outputs),
    }));
    this.last = make.linear((side / 8) ** 2 * channels[2], width);
    this.head = make.linear(width, classes);
  }

  /** @param {nn.Arg} images `[N, side, side, 1]` @returns {nn.Value} `[N, width]` */
  features(images) {
    /** @type {nn.Arg} */
    let x = images;
    for (const { conv, norm } of this.layers)
      x = nn.pool2d(nn.relu(nn.batchNorm(norm, nn.conv2d(conv, x, { padding: 'same' }))), { kind: 'max', size: 2 });
    return nn.linear(this.last, nn.reshape(x, [x.shape[0], (side / 8) ** 2 * channels[2]]));
  }
}

/** Trains on letters of fonts, each time another picture of them. @param {Device} device @param {Glyphs} glyphs @param {{ steps: number, seed: number }} options */
export async function taught(device, { signs, fonts, images }, { steps, seed }) {
  const model = new Features(nn.init(device, { seed }), signs.length);
  const optimizer = new AdamW(nn.parameters(model), { weightDecay: 0.01 });
  const rate = nn.cosine({ peak: 3e-3, warmup: Math.ceil(steps / 20), steps, floor: 3e-5 });
  const step = nn.valueAndGrad((/** @type {any} */ own, /** @type {Tensor} */ x, /** @type {Tensor} */ labels) =>
    nn.crossEntropy(nn.linear(own.head, nn.relu(own.features(x))), labels),
  );
  const [random, batch] = [uniform(1000 + seed), 64];
  let loss = Number.NaN;
  for (let i = 0; i < steps; ++i) {
    const [data, labels] = [new Float32Array(batch * side * side), new Int32Array(batch)];
    for (let j = 0; j < batch; ++j) {
      labels[j] = Math.floor(random() * signs.length);
      jittered(images[Math.floor(random() * fonts)][labels[j]], random, data, j * side * side);
    }
    const [x, y] = [Tensor.from(device, data, [batch, side, side, 1]), Tensor.from(device, labels, [batch])];
    for (const group of optimizer.groups) group.lr = rate(i);
    const { value, grads } = step(model, x, y);
    optimizer.step(grads);
    if (i % 16 === 15 || i === steps - 1) [loss] = await value.read();
    for (const tensor of [x, y]) tensor.dispose();
  }
  const features = nn.forward((/** @type {Features} */ own, /** @type {Tensor} */ x) => own.features(x));
  return { loss, features: (/** @type {Float32Array} */ data) => featuresOf(device, model, features, data) };
}

/** Features of pictures, some at a time. @param {Device} device @param {Features} model @param {any} features @param {Float32Array} data */
async function featuresOf(device, model, features, data) {
  const [size, count] = [side * side, data.length / (side * side)];
  const out = new Float32Array(count * width);
  for (let from = 0; from < count; from += 500) {
    const to = Math.min(count, from + 500);
    const x = Tensor.from(device, data.subarray(from * size, to * size), [to - from, side, side, 1]);
    out.set(await features(model, x).read(), from * width);
    x.dispose();
  }
  return out;
}
