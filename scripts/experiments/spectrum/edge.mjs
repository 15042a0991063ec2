// Gradient descent and SGD on digits of 7 × 7 pixels by a small network that can fit them all, and the curvature where they are.
import { Device, SGD, Tensor } from 'orthokit';
import { stabilityReport } from 'orthokit/curvature';
import * as nn from 'orthokit/nn';
import { loadDigits, pixels } from '../../../examples/digits/data.mjs';

const side = 7;
const width = side * side;
export const sizes = {
  full: { count: 128, hidden: 24, looks: 40, steps: { 0: 4000, 8: 16_000, 1: 32_000 } },
  quick: { count: 20, hidden: 4, looks: 2, steps: { 0: 40, 8: 40, 1: 40 } },
};
/** Learning rates for the loss Σ (f − y)² / (2 n). */
export const rates = /** @type {const} */ ([0.05, 0.1]);
/** Samples of a step; 0 are all. */
export const batches = /** @type {const} */ ([0, 8, 1]);

/** Digits by means of 4 × 4 pixels, of mean 0 and deviation 1; +1 for odd ones and −1 for even ones. @param {number} count */
function smallDigits(count) {
  const { train } = loadDigits();
  const every = Math.floor(train.labels.length / count);
  const x = new Float64Array(count * width);
  for (let at = 0; at < count * pixels; ++at) {
    const [i, row, column] = [Math.floor(at / pixels), Math.floor((at % pixels) / 28), at % 28];
    x[i * width + Math.floor(row / 4) * side + Math.floor(column / 4)] +=
      train.images[i * every * pixels + (at % pixels)] / 16;
  }
  const middle = x.reduce((sum, value) => sum + value / x.length, 0);
  const deviation = Math.sqrt(x.reduce((sum, value) => sum + (value - middle) ** 2 / x.length, 0));
  const y = Float64Array.from({ length: count }, (_, i) => (train.labels[i * every] % 2 === 0 ? -1 : 1));
  return { x: x.map((value) => (value - middle) / deviation), y };
}

/** @typedef {{ step: number, loss: number, trace: number, largest: number }} Look */

/** @param {{ size: 'full' | 'quick', rate: number, batch: 0 | 1 | 8, seed: number }} settings @returns {Promise<{ curve: Look[] }>} */
export async function edge({ size, rate, batch, seed }) {
  const { count, hidden, looks, steps } = sizes[size];
  const device = Device.open('cpu');
  const { x, y } = smallDigits(count);
  const pick = (/** @type {ArrayLike<number>} */ index) => [
    Tensor.from(device, Float64Array.from({ length: index.length * width }, (_, i) => x[index[Math.floor(i / width)] * width + (i % width)]), [index.length, width]),
    Tensor.from(device, Float64Array.from(index, (i) => y[i]), [index.length, 1]),
  ]; // biome-ignore format: one line each
  const all = pick([...y.keys()]);
  const make = nn.init(device, { seed, dtype: 'f64' });
  const model = {
    up: make.linear(width, hidden, { deviation: 1 / side }),
    down: make.linear(hidden, 1, { deviation: 1 / Math.sqrt(hidden) }),
  };
  const output = (/** @type {any} */ net, /** @type {Tensor} */ input) =>
    nn.linear(net.down, nn.map(nn.linear(net.up, input), 'tanh'));
  const gradient = nn.valueAndGrad(
    (/** @type {any} */ net, /** @type {Tensor} */ input, /** @type {Tensor} */ target) =>
      nn.weighted([[0.5, nn.squaredError(output(net, input), target)]]),
  );
  const rows = nn.valueAndGrad((/** @type {any} */ net, /** @type {Tensor} */ input) => nn.sum(output(net, input)), {
    perSample: true,
  });
  const params = nn.parameters(model);
  const optimizer = new SGD(params, { lr: rate });
  const size1 = params.reduce((sum, parameter) => sum + parameter.size, 0);
  /** At a point that fits all samples the Hessian is that of these rows. */
  const jacobian = async () => {
    const { grads } = rows(model, all[0]);
    const j = new Float64Array(count * size1);
    let from = 0;
    for (const parameter of params) {
      const own = await grads.get(parameter).read();
      for (let i = 0; i < count; ++i)
        j.set(own.subarray(i * parameter.size, (i + 1) * parameter.size), i * size1 + from);
      from += parameter.size;
    }
    return Tensor.from(device, j, [count, size1]);
  };
  const order = nn.batches({ count, size: batch || count, seed })[Symbol.iterator]();
  const every = Math.floor(steps[batch] / looks);
  /** @type {Look[]} */
  const curve = [];
  for (let step = 0; step <= steps[batch]; ++step) {
    if (step % every === 0) {
      const [loss] = await gradient(model, ...all).value.read();
      if (!Number.isFinite(loss)) break;
      const rows = await jacobian();
      const { trace, lambdaMax } = await stabilityReport({ jacobian: rows }, { lr: rate, batch: batch || count });
      rows.dispose();
      curve.push({ step, loss, trace, largest: lambdaMax });
    }
    const own = batch ? pick(order.next().value.index) : all;
    optimizer.step(gradient(model, ...own).grads);
    if (batch) for (const tensor of own) tensor.dispose();
    if (step % 64 === 0) await device.synchronize();
  }
  await device.close();
  return { curve };
}
