// A class-conditional diffusion model of small digits: an MLP that predicts v.
import { AdamW, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { classes, pixels } from './digits.mjs';

/** @import { Device } from 'orthokit' */
/** @import { Digits } from './digits.mjs' */

/** The label that says nothing. */
export const nobody = classes;
const waves = 8;

/** @param {number} t from 0, the digit, to 1, noise */
export const scheduleAt = (t) => ({ alpha: Math.cos((Math.PI * t) / 2), sigma: Math.sin((Math.PI * t) / 2) });

/** The features of the time, for the network. @param {ArrayLike<number>} times */
function features(times) {
  const out = new Float32Array(times.length * 2 * waves);
  for (let i = 0; i < times.length; ++i)
    for (let k = 0; k < waves; ++k) {
      const angle = Math.PI * times[i] * 2 ** (k / 2);
      out[i * 2 * waves + 2 * k] = Math.sin(angle);
      out[i * 2 * waves + 2 * k + 1] = Math.cos(angle);
    }
  return out;
}

class Denoiser {
  /** @param {nn.Init} make @param {number} width */
  constructor(make, width) {
    this.first = make.linear(pixels, width);
    this.times = make.linear(2 * waves, width);
    this.labels = make.table(classes + 1, width);
    this.blocks = Array.from({ length: 2 }, () => ({
      norm: make.norm(width),
      up: make.linear(width, 2 * width),
      down: make.linear(2 * width, width),
    }));
    this.norm = make.norm(width);
    this.last = make.linear(width, pixels);
  }

  /** @param {nn.Arg} x @param {nn.Arg} times @param {Tensor} labels @returns {nn.Value} v */
  forward(x, times, labels) {
    const told = nn.add(nn.linear(this.times, times), nn.embedding(this.labels, labels));
    let h = nn.add(nn.linear(this.first, x), told);
    for (const { norm, up, down } of this.blocks)
      h = nn.add(h, nn.linear(down, nn.map(nn.linear(up, nn.add(nn.layerNorm(norm, h), told)), 'silu')));
    return nn.linear(this.last, nn.layerNorm(this.norm, h));
  }
}

/** Normal numbers by seed: pairs of Box and Muller. @param {() => number} random */
export function normals(random) {
  let spare = Number.NaN;
  return () => {
    if (!Number.isNaN(spare)) {
      const value = spare;
      spare = Number.NaN;
      return value;
    }
    const [radius, angle] = [Math.sqrt(-2 * Math.log(1 - random())), 2 * Math.PI * random()];
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/** @param {Device} device @param {Digits} train @param {{ width: number, steps: number, batch: number, seed: number }} options @param {() => number} random */
export async function denoiser(device, { images, labels }, { width, steps, batch, seed }, random) {
  const model = new Denoiser(nn.init(device, { seed }), width);
  const optimizer = new AdamW(nn.parameters(model), { weightDecay: 0 });
  const rate = nn.cosine({ peak: 2e-3, warmup: Math.ceil(steps / 20), steps, floor: 2e-5 });
  const step = nn.valueAndGrad(
    (
      /** @type {any} */ own,
      /** @type {Tensor} */ x,
      /** @type {Tensor} */ times,
      /** @type {Tensor} */ y,
      /** @type {Tensor} */ v,
    ) => nn.squaredError(own.forward(x, times, y), v),
  );
  const normal = normals(random);
  let [loss, count] = [0, 0];
  for (let i = 0; i < steps; ++i) {
    const [xt, v] = [new Float32Array(batch * pixels), new Float32Array(batch * pixels)];
    const [times, told] = [new Float32Array(batch), new Int32Array(batch)];
    for (let j = 0; j < batch; ++j) {
      const at = Math.floor(random() * labels.length);
      // One in seven is of no label, so that the network knows both.
      told[j] = random() < 1 / 7 ? nobody : labels[at];
      times[j] = random();
      const { alpha, sigma } = scheduleAt(times[j]);
      for (let p = 0; p < pixels; ++p) {
        const [x, noise] = [images[at * pixels + p], normal()];
        xt[j * pixels + p] = alpha * x + sigma * noise;
        v[j * pixels + p] = alpha * noise - sigma * x;
      }
    }
    const tensors = /** @type {const} */ ([Tensor.from(device, xt, [batch, pixels]), Tensor.from(device, features(times), [batch, 2 * waves]), Tensor.from(device, told, [batch]), Tensor.from(device, v, [batch, pixels])]); // biome-ignore format: one line
    for (const group of optimizer.groups) group.lr = rate(i);
    const { value, grads } = step(model, ...tensors);
    optimizer.step(grads);
    const [own] = await value.read();
    if (i >= 0.9 * steps) {
      loss += own;
      count += 1;
    }
    for (const tensor of tensors) tensor.dispose();
  }
  const run = nn.forward(
    (/** @type {Denoiser} */ own, /** @type {Tensor} */ x, /** @type {Tensor} */ times, /** @type {Tensor} */ y) =>
      own.forward(x, times, y),
  );
  /** v of rows at one time; it holds until the next call. */
  const predict = (/** @type {Tensor} */ x, /** @type {number} */ t, /** @type {Tensor} */ y) => {
    const times = Tensor.from(device, features(new Float32Array(x.shape[0]).fill(t)), [x.shape[0], 2 * waves]);
    const v = run(model, x, times, y);
    times.dispose();
    return v;
  };
  return { loss: loss / count, predict };
}
