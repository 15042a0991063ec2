// An endless signal by steps and by windows; letters of a GPT with a ring and without one.
import { Device, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from '../../../examples/gpt/model.mjs';
import { movedTo } from '../moved-to.mjs';
import { ofDetector, ofGpt } from './counts.mjs';
import { streamed, train } from './detector.mjs';
import { signal } from './signal.mjs';

/** @typedef {{ revision: number, size: 'full' | 'quick', seed: number }} Settings */

export const sizes = {
  full: { training: { streams: 32, time: 256, steps: 400 }, streams: 64, steps: 20_000, gpt: { width: 128, heads: 4, blocks: 4, context: 256 } }, // biome-ignore format: one line
  quick: { training: { streams: 8, time: 96, steps: 25 }, streams: 8, steps: 400, gpt: { width: 32, heads: 2, blocks: 2, context: 64 } }, // biome-ignore format: one line
};

/** @param {Settings} settings */
export async function run({ size, seed }) {
  const device = Device.open('cpu', { threads: 1 });
  const own = sizes[size];
  const { model, loss } = await train(device, { ...own.training, seed });
  // On a device of its own the stream's memory is that of nothing else.
  const other = Device.open('cpu', { threads: 1 });
  const net = streamed(await movedTo(other, model));
  const young = streamed(model);
  const stream = await byStream({ device: other, net }, { device, net: young }, own, seed);
  const found = { loss, ...stream, ...ofDetector(model, stream.receptiveField), letters: await letters(device, own.gpt, seed) }; // biome-ignore format: one line
  for (const one of [net, young]) one.dispose();
  await other.close();
  await device.close();
  return found;
}

/** @typedef {{ device: Device, net: ReturnType<typeof streamed> }} Layers */

/** A step of all streams, and what it takes of the processor. @param {Layers} layers @param {Float32Array} input */
async function stepped({ device, net }, input) {
  const x = Tensor.from(device, input, [input.length, 1]);
  const since = process.cpuUsage();
  const y = net.step(x);
  const logits = y && (await y.read());
  const time = milliseconds(since);
  x.dispose();
  y?.dispose();
  return { logits, time };
}

/** The value that a tenth of them stays below: neighbours lengthen times, and shorten none. @param {readonly number[]} values */
const low = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 10)];

/**
 * Times are those of the last steps, where layers that have just begun take each second turn: whatever else the machine does,
 * it does to both.
 *
 * @param {Layers} old @param {Layers} young @param {typeof sizes.full} options @param {number} seed
 */
async function byStream(old, young, { streams, steps }, seed) {
  const { device, net } = old;
  const draws = Array.from({ length: streams }, (_, i) => signal(77_000_000 + 1000 * seed + i));
  const { delay, receptiveField } = net;
  /** Inputs and labels of the last places, which only the comparison needs. @type {Float32Array[]} */
  const inputs = [];
  /** @type {number[][]} */
  const labels = [];
  const counts = { right: 0, found: 0, there: 0 };
  const part = Math.floor(steps / 4);
  /** Bytes of tensors after so many steps. @type {number[]} */
  const bytes = [];
  const last = Math.floor(part / 4);
  /** @type {Record<'early' | 'late', number[]>} */
  const all = { early: [], late: [] };
  let [apart, window] = [0, 0];
  for (let t = 0; t < steps; ++t) {
    const drawn = draws.map((draw) => draw());
    inputs.push(Float32Array.from(drawn, ({ value }) => value));
    labels.push(drawn.map(({ label }) => label));
    if (inputs.length > receptiveField) inputs.shift();
    if (labels.length > delay + 1) labels.shift();
    const input = /** @type {Float32Array} */ (inputs.at(-1));
    // Until their first output steps have less to do.
    const isBegun = t >= steps - last - receptiveField;
    const early = isBegun && t % 2 === 0 ? await stepped(young, input) : undefined;
    const { logits, time } = await stepped(old, input);
    const other = isBegun && !early ? await stepped(young, input) : early;
    if (other && t >= steps - last) {
      all.early.push(other.time);
      all.late.push(time);
    }
    if (t === part || t === steps - 1) bytes.push(device.info.memory.bytes);
    if (!logits || t < receptiveField) continue;
    for (const [i, logit] of logits.entries()) {
      const [isFound, isThere] = [logit > 0, labels[0][i] === 1];
      counts.right += Number(isFound && isThere);
      counts.found += Number(isFound);
      counts.there += Number(isThere);
    }
    if (t === steps - 1) ({ apart, window } = await fromWindow(device, net, inputs, logits));
  }
  const [precision, recall] = [counts.right / Math.max(1, counts.found), counts.right / Math.max(1, counts.there)];
  return { delay, receptiveField, precision, recall, share: counts.there / (streams * (steps - receptiveField)), bytes, times: { early: low(all.early), late: low(all.late), window }, apart }; // biome-ignore format: one line
}

/** Time of the processor, of all threads. @param {NodeJS.CpuUsage} since */
function milliseconds(since) {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** The distance of the last step from the network over its whole window, and what a window takes of the processor. @param {Device} device @param {ReturnType<typeof streamed>} net @param {Float32Array[]} inputs @param {ArrayLike<number>} logits */
async function fromWindow(device, net, inputs, logits) {
  const streams = logits.length;
  const time = inputs.length;
  const data = Float32Array.from({ length: streams * time }, (_, at) => inputs[at % time][Math.floor(at / time)]);
  const x = Tensor.from(device, data, [streams, 1, time]);
  const windows = 40;
  /** @type {ArrayLike<number>} */
  let whole = [];
  const times = [];
  for (let i = 0; i < windows; ++i) {
    const since = process.cpuUsage();
    const y = net.forward(x);
    whole = await y.read();
    times.push(milliseconds(since));
    y.dispose();
  }
  const window = low(times);
  x.dispose();
  // The place in the middle sees the whole window.
  let apart = 0;
  for (let i = 0; i < streams; ++i) apart = Math.max(apart, Math.abs(logits[i] - whole[i * time + (time - 1) / 2]));
  return { apart, window };
}

/** Letters at the end of the context, with a ring and from the whole window. @param {Device} device @param {{ width: number, heads: number, blocks: number, context: number }} options @param {number} seed */
async function letters(device, options, seed) {
  const model = new Gpt(nn.init(device, { seed }), { letters: 64, ...options });
  const { context, width, blocks } = options;
  const ring = new nn.Ring(device, { streams: 1, width, length: context, layers: blocks });
  const step = nn.forward((/** @type {Gpt} */ gpt, /** @type {Tensor} */ ids, /** @type {nn.Ring} */ own) =>
    gpt.forward(ids, own),
  );
  const whole = nn.forward((/** @type {Gpt} */ gpt, /** @type {Tensor} */ ids) => gpt.forward(ids));
  const text = Int32Array.from({ length: context }, (_, i) => (7 * i * i + 3 * i) % 64);
  const idsOf = (/** @type {number} */ from, /** @type {number} */ to) => Tensor.from(device, text.subarray(from, to), [1, to - from]); // biome-ignore format: one line
  const count = Math.floor(context / 8);
  const begun = idsOf(0, context - count);
  const places = Array.from({ length: count }, (_, i) => context - count + i);
  const ones = places.map((i) => idsOf(i, i + 1));
  const wholes = places.map((i) => idsOf(0, i + 1));
  let apart = 0;
  step(model, begun, ring);
  for (const [i, ids] of ones.entries()) {
    const fromRing = await step(model, ids, ring).read();
    const all = await whole(model, wholes[i]).read();
    apart = Math.max(apart, ...fromRing.map((x, j) => Math.abs(x - all[all.length - 64 + j])));
  }
  for (const one of [ring, step, whole, begun, ...ones, ...wholes]) one.dispose();
  return { ...ofGpt({ ...options, letters: 64 }), apart };
}
