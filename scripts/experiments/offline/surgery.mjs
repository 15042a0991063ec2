// Two tasks of one network, which has learned the digits 0 to 4 and goes on with 5 to 9, by the same ten outputs: each new digit's
// gradient says that old ones are never right. What works along the old ones' gradient is taken away.
import { Device, ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { projectOut } from 'orthokit/policy';
import { digitsOf, width } from '../../../examples/decentralized/problem.mjs';
import { shuffledBatches } from '../../../examples/digits/data.mjs';

/** @import { Digits } from '../../../examples/decentralized/problem.mjs' */
/** @typedef {'new alone' | 'new, surgery' | 'sum' | 'sum, surgery'} Way */
/** @typedef {{ up: nn.Linear, down: nn.Linear }} Net */

const [hidden, size, rate] = [32, 50, 0.1];
/** The scale of pixels, whose squares add up to about 1. */
const scale = 4;

/** @param {Digits} digits @param {boolean} isNew */
function half({ rows, labels }, isNew) {
  const index = [...labels.keys()].filter((i) => labels[i] >= 5 === isNew);
  return { rows: Float32Array.from(index.flatMap((i) => [...rows.subarray(i * width, (i + 1) * width)]), (x) => scale * x), labels: Int32Array.from(index, (i) => labels[i]), count: index.length }; // biome-ignore format: one line
}

/** @param {{ way: Way, seed: number, count: number, steps: number }} settings */
export async function runSurgery({ way, seed, count, steps }) {
  const { parts, test } = digitsOf(1, count);
  const device = Device.open('cpu', { threads: 1 });
  const make = nn.init(device, { seed });
  /** @type {Net} */
  const net = { up: make.linear(width, hidden), down: make.linear(hidden, 10) };
  const params = /** @type {Tensor[]} */ ([net.up.weight, net.up.bias, net.down.weight, net.down.bias]);
  const logits = (/** @type {any} */ of, /** @type {nn.Arg} */ x) => nn.linear(of.down, nn.relu(nn.linear(of.up, x)));
  const loss = () => nn.valueAndGrad((/** @type {nn.Traced<Net>} */ of, /** @type {Tensor} */ x, /** @type {Tensor} */ y) => nn.crossEntropy(logits(of, x), y)); // biome-ignore format: one line
  /** The gradient of another batch each time. @param {boolean} isNew */
  const task = (isNew) => {
    const { rows, labels, count: own } = half(parts[0], isNew);
    const [all, right] = [Tensor.from(device, rows, [own, width]), Tensor.from(device, labels, [own])];
    const [x, y] = [Tensor.zeros(device, [size, width]), Tensor.zeros(device, [size], { dtype: 'i32' })];
    const index = Tensor.zeros(device, [size], { dtype: 'i32' });
    const batches = shuffledBatches({ count: own, epochs: Math.ceil((2 * steps * size) / (own - size)) + 1, batchSize: size, seed: 2 * seed + Number(isNew) }).flat(); // biome-ignore format: one line
    const step = loss();
    return () => {
      index.write(/** @type {Int32Array<ArrayBuffer>} */ (batches.shift()));
      ops.gatherRows(device, { x: all, index, out: x });
      ops.gatherRows(device, { x: right, index, out: y });
      const { grads } = step(net, x, y);
      return params.map((param) => /** @type {Tensor} */ (grads.get(param)));
    };
  };
  const judged = [false, true].map((isNew) => half(test, isNew));
  const predict = nn.forward((/** @type {Net} */ of, /** @type {Tensor} */ x) => logits(of, x));
  const shares = async () => {
    const found = [];
    for (const { rows, labels, count: own } of judged) {
      const scores = await predict(net, Tensor.from(device, rows, [own, width])).read();
      let right = 0;
      for (let i = 0; i < own; ++i) {
        const row = scores.subarray(10 * i, 10 * i + 10);
        right += Number(row.indexOf(Math.max(...row)) === labels[i]);
      }
      found.push(right / own);
    }
    return found;
  };
  const move = (/** @type {readonly Tensor[]} */ grads) => {
    for (const [i, param] of params.entries()) ops.linearCombination(device, { out: [param], terms: [param, grads[i]], coefficients: [1, -rate] }); // biome-ignore format: one line
  };
  const [old, fresh] = [task(false), task(true)];
  for (let t = 0; t < steps; ++t) move(old());
  const [before] = await shares();
  for (let t = 0; t < steps; ++t) {
    const [kept, wanted] = [old(), fresh()];
    if (way.endsWith('surgery')) projectOut(kept, wanted).dispose();
    move(wanted);
    if (way.startsWith('sum')) move(kept);
  }
  const [kept, learned] = await shares();
  await device.close();
  return { before, kept, learned };
}
