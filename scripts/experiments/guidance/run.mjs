// Digits drawn by a diffusion model at several scales of guidance, plain and projected.
import { Device, ops, Tensor } from 'orthokit';
import { AdaptiveProjectedGuidance, predictionTo } from 'orthokit/guidance';
import { uniform } from '../uniform.mjs';
import { classes, judgeOf, pixels, smallDigits } from './digits.mjs';
import { denoiser, nobody, normals, scheduleAt } from './model.mjs';

/** @typedef {{ revision: number, size: 'full' | 'quick', seed: number }} Settings */
/** @typedef {{ way: string, scale: number, length: number, outside: number, right: number, spread: number }} Row */

export const sizes = {
  full: { width: 192, steps: 3000, batch: 96, each: 16, times: 30, judge: 1500 },
  quick: { width: 32, steps: 40, batch: 32, each: 2, times: 6, judge: 60 },
};
export const scales = [1, 2, 3, 5, 7, 10, 15];
/** Ways by name; the bound of a difference is in units of pixels from −1 to 1. */
export const ways = {
  plain: { eta: 1 },
  projected: { eta: 0 },
  'projected, bounded by 2.5, momentum': { eta: 0, rescale: 2.5, momentum: -0.5 },
  'projected, bounded by 1, momentum': { eta: 0, rescale: 1, momentum: -0.5 },
};
/** A pixel further out than this is saturated: real ones are within 1. */
export const most = 1.2;

/** Digits of each class by DDIM. @param {ReturnType<typeof smallDigits>['train'] | any} predict @param {{ start: Float32Array, labels: Int32Array, times: number, options: any, device: Device }} options */
async function drawn(predict, { device, start, labels, times, options }) {
  const count = labels.length;
  const guidance = new AdaptiveProjectedGuidance(options);
  const [known, unknown] = [labels, new Int32Array(count).fill(nobody)].map((own) => Tensor.from(device, own, [count]));
  let x = Tensor.from(device, start, [count, pixels]);
  for (let i = 0; i < times; ++i) {
    const [t, next] = [0, 1].map((more) => 0.999 - (0.998 * (i + more)) / times);
    const here = { ...scheduleAt(t) };
    const [cond, uncond] = [known, unknown].map((own) =>
      predictionTo('x0', predict(x, t, own), x, { ...here, from: 'v' }),
    );
    const x0 = guidance.apply(cond, uncond);
    const eps = predictionTo('eps', x0, x, { ...here, from: 'x0' });
    const { alpha, sigma } = scheduleAt(next);
    const y = new Tensor(device, [count, pixels]);
    const isLast = i === times - 1;
    ops.linearCombination(device, { out: [y], terms: [x0, eps], coefficients: isLast ? [1, 0] : [alpha, sigma] });
    for (const tensor of [x, cond, uncond, x0, eps]) tensor.dispose();
    x = y;
  }
  const images = /** @type {Float32Array} */ (await x.read());
  for (const one of [x, known, unknown, guidance]) one.dispose();
  return images;
}

/** Deviations of pixels among images of a class, in the root of their mean square. @param {Float32Array} images @param {Int32Array} labels */
function spreadOf(images, labels) {
  let [sum, count] = [0, 0];
  for (let c = 0; c < classes; ++c) {
    const own = [...labels.keys()].filter((i) => labels[i] === c);
    for (let p = 0; p < pixels; ++p) {
      const values = own.map((i) => images[i * pixels + p]);
      const mean = values.reduce((all, x) => all + x, 0) / values.length;
      sum += values.reduce((all, x) => all + (x - mean) ** 2, 0);
      count += values.length - 1;
    }
  }
  return Math.sqrt(sum / count);
}

/** The mean length of images. @param {Float32Array} images */
function lengthOf(images) {
  const count = images.length / pixels;
  let sum = 0;
  for (let i = 0; i < count; ++i) sum += Math.hypot(...images.subarray(i * pixels, (i + 1) * pixels));
  return sum / count;
}

/** @param {Settings} settings */
export async function run({ size: name, seed }) {
  const size = sizes[name];
  const device = Device.open('cpu', { threads: 1 });
  const { train, test } = smallDigits();
  const judge = await judgeOf(device, train, { steps: size.judge, seed });
  const random = uniform(9000 + seed);
  const { loss, predict } = await denoiser(device, train, { ...size, seed }, random);
  const labels = Int32Array.from({ length: classes * size.each }, (_, i) => i % classes);
  const normal = normals(random);
  const start = Float32Array.from({ length: labels.length * pixels }, normal);
  const share = (/** @type {Int32Array} */ found, /** @type {Int32Array} */ wanted) => found.filter((label, i) => label === wanted[i]).length / wanted.length; // biome-ignore format: one line
  const real = { length: lengthOf(test.images), spread: spreadOf(test.images, test.labels), right: share(await judge(test.images), test.labels) }; // biome-ignore format: one line
  /** @type {Row[]} */
  const rows = [];
  /** The first of each class, for the picture, in whole hundredths. @type {Record<string, number[]>} */
  const shown = {};
  for (const [way, own] of Object.entries(ways))
    for (const scale of scales) {
      const images = await drawn(predict, { device, start, labels, times: size.times, options: { scale, ...own } });
      const clamped = images.map((x) => Math.min(1, Math.max(-1, x)));
      rows.push({
        ...{ way, scale },
        length: lengthOf(images) / real.length,
        outside: images.filter((x) => Math.abs(x) > most).length / images.length,
        right: share(await judge(clamped), labels),
        spread: spreadOf(clamped, labels) / real.spread,
      });
      if (seed === 1)
        shown[`${way} ${scale}`] = Array.from(images.subarray(0, classes * pixels), (x) => Math.round(100 * x));
    }
  await device.close();
  return { loss, real, rows, shown };
}
