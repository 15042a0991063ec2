// A model of 4 bits is moved to another text: by forwards alone, and by gradients of the scales or of all numbers.
import { AdamW, Device } from 'orthokit';
import * as nn from 'orthokit/nn';
import { QuantLinear, QZO } from 'orthokit/quantized';
import { examine } from '../merging/train.mjs';
import { movedTo } from '../moved-to.mjs';
import { batchOf, exchange, layersOf, lossOf, modelOf, sizes, textsOf } from './model.mjs';

/** @import { Tensor } from 'orthokit' */
/** @typedef {'forwards' | 'scales' | 'all numbers'} Way */
/** @typedef {{ size: 'full' | 'quick', seed: number, way: Way, rate: number, batch: number, clip: number | null }} Settings */

export const steps = { full: 1200, quick: 8 };
/** Steps between two looks at the test text. */
export const every = { full: 40, quick: 4 };
export const group = 64;

/** The trained model with matrices of 4 bits, on a device of its own. @param {'full' | 'quick'} name @param {number} seed @param {boolean} isQuantized */
async function start(name, seed, isQuantized) {
  const making = Device.open('cpu', { threads: 1 });
  const model = await modelOf(making, name, seed);
  if (isQuantized)
    exchange(model, ({ weight, bias }) =>
      QuantLinear.quantize(weight, { group: Math.min(group, weight.shape[1]), bias }),
    );
  const device = Device.open('cpu', { threads: 1 });
  const moved = await movedTo(device, model);
  await making.close();
  return { device, model: moved };
}

/**
 * Steps of a way: each gives the loss before it, where it knows one.
 *
 * @param {Way} way @param {any} model @param {{ rate: number, clip: number | null }} options
 */
function stepperOf(way, model, { rate, clip }) {
  if (way === 'forwards') {
    const scales = [...layersOf(model).values()].map((layer) => layer.scales);
    const qzo = new QZO(scales, { lr: rate, clip });
    const evaluate = nn.forward(lossOf);
    /** @type {any} */
    let probe;
    return async (/** @type {Tensor} */ ids, /** @type {Tensor} */ next, /** @type {number} */ seed) => {
      const { status, clipped, projected } = await qzo.step((perturbed) => {
        probe ??= nn.mapTensors(model, (tensor) => perturbed[scales.indexOf(tensor)] ?? tensor);
        return evaluate(probe, ids, next);
      }, seed);
      return { isFinite: status === 'ok', clipped, slope: Math.abs(projected) };
    };
  }
  if (way === 'scales') {
    // A weight that is not to be trained takes no memory for a gradient.
    const scales = [...layersOf(model).values()].map((layer) => layer.scales);
    for (const tensor of nn.parameters(model)) if (!scales.includes(tensor)) nn.buffer(tensor);
  }
  const optimizer = new AdamW(nn.parameters(model), { lr: rate, weightDecay: 0 });
  const gradient = nn.valueAndGrad(lossOf);
  return async (/** @type {Tensor} */ ids, /** @type {Tensor} */ next) => {
    const { value, grads } = gradient(model, ids, next);
    optimizer.step(grads);
    await value.read();
    return { isFinite: true, clipped: false, slope: 0 };
  };
}

/** Batches of the other text, by number. @param {Device} device @param {Int32Array} text @param {number} context @param {number} batch @param {number} seed */
function batchesOf(device, text, context, batch, seed) {
  const all = nn.batches({ count: text.length - context, size: batch, seed })[Symbol.iterator]();
  return () => batchOf(device, text, all.next().value.index, context);
}

/** @param {Settings} settings */
export async function moved({ size: name, seed, way, rate, batch, clip }) {
  const size = sizes[name];
  const { other, known } = textsOf();
  const { device, model } = await start(name, seed, way !== 'all numbers');
  const next = batchesOf(device, other.train, size.context, batch, seed);
  const step = stepperOf(way, model, { rate, clip });
  const looks = [await examine(model, other.test, size)];
  const before = await examine(model, known.test, size);
  let [clips, bad, steepest] = [0, 0, 0];
  for (let i = 0; i < steps[name]; ++i) {
    const [ids, wanted] = next();
    const { isFinite: isGood, clipped, slope } = await step(ids, wanted, 1_000_000 * seed + i);
    for (const tensor of [ids, wanted]) tensor.dispose();
    clips += Number(clipped);
    bad += Number(!isGood);
    steepest = Math.max(steepest, slope);
    if ((i + 1) % every[name] === 0) looks.push(await examine(model, other.test, size));
  }
  const known2 = await examine(model, known.test, size);
  await device.close();
  // NaN and infinity are no numbers of JSON: null.
  return { losses: looks.map(({ loss }) => loss), clips, bad, steepest, known: [before.loss, known2.loss] };
}

/** Bytes of a device at their peak while a way takes steps, its model included. @param {'full' | 'quick'} name @param {Way} way @param {number} batch */
export async function peakOf(name, way, batch) {
  const { other } = textsOf();
  const { device, model } = await start(name, 1, way !== 'all numbers');
  const next = batchesOf(device, other.train, sizes[name].context, batch, 1);
  const step = stepperOf(way, model, { rate: 1e-6, clip: 100 });
  const atFirst = device.info.memory.peak;
  for (let i = 0; i < 3; ++i) {
    const [ids, wanted] = next();
    await step(ids, wanted, i);
    for (const tensor of [ids, wanted]) tensor.dispose();
  }
  const { peak } = device.info.memory;
  await device.close();
  return { atFirst, peak };
}

/** Milliseconds of a processor that a step of each way takes, the least of many in turn. @param {'full' | 'quick'} name @param {readonly { way: Way, batch: number }[]} ways */
export async function costsOf(name, ways) {
  const { other } = textsOf();
  const all = [];
  for (const { way, batch } of ways) {
    const { device, model } = await start(name, 1, way !== 'all numbers');
    const next = batchesOf(device, other.train, sizes[name].context, batch, 1);
    all.push({
      device,
      batch: next(),
      step: stepperOf(way, model, { rate: 1e-6, clip: 100 }),
      least: Number.POSITIVE_INFINITY,
    });
  }
  const rounds = name === 'full' ? 60 : 2;
  for (let i = 0; i < rounds; ++i)
    for (const own of all) {
      const { user, system } = process.cpuUsage();
      for (let j = 0; j < 3; ++j) await own.step(own.batch[0], own.batch[1], i);
      const now = process.cpuUsage();
      own.least = Math.min(own.least, (now.user + now.system - user - system) / 3000);
    }
  for (const { device } of all) await device.close();
  return all.map(({ least }) => least);
}
