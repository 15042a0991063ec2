// A small CNN of digits without normalization, whose gradients of each sample can be had; and all its weights as one vector.
import { AdamW, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { classes, loadDigits, pixels } from '../../../examples/digits/data.mjs';

/** @typedef {{ train: number, test: number, channels: readonly [number, number], steps: number, batch: number }} Size */

/** @type {ReturnType<typeof loadDigits> | undefined} */
let digits;

/** So many digits, from all over. @param {'train' | 'test'} part @param {number} count */
function some(part, count) {
  digits ??= loadDigits();
  const { images, labels } = digits[part];
  const at = Array.from({ length: count }, (_, i) => Math.floor((i * labels.length) / count));
  const own = new Float32Array(count * pixels);
  for (const [i, from] of at.entries()) own.set(images.subarray(from * pixels, (from + 1) * pixels), i * pixels);
  return { images: own, labels: Int32Array.from(at, (from) => labels[from]), count };
}

/** @param {import('orthokit').Device} device @param {Size} size @param {number} seed */
export async function trained(device, { train, test, channels: [first, second], steps, batch }, seed) {
  const make = nn.init(device, { seed });
  const he = (/** @type {number} */ inputs) => ({ deviation: Math.sqrt(2 / inputs) });
  const model = {
    one: make.conv2d(1, first, 3, he(9)),
    two: make.conv2d(first, second, 3, he(9 * first)),
    head: make.linear(49 * second, classes, he(98 * second)),
  };
  const logits = (/** @type {any} */ net, /** @type {any} */ x) => {
    const half = nn.pool2d(nn.relu(nn.conv2d(net.one, x, { padding: 'same' })), { kind: 'max', size: 2 });
    const quarter = nn.pool2d(nn.relu(nn.conv2d(net.two, half, { padding: 'same' })), { kind: 'max', size: 2 });
    return nn.linear(net.head, nn.reshape(quarter, [x.shape[0], 49 * second]));
  };
  const loss = (/** @type {any} */ net, /** @type {any} */ x, /** @type {any} */ y) =>
    nn.crossEntropy(logits(net, x), y);
  const samples = some('train', train);
  const pick = (/** @type {Int32Array} */ index) => {
    const own = new Float32Array(index.length * pixels);
    for (const [i, from] of index.entries())
      own.set(samples.images.subarray(from * pixels, (from + 1) * pixels), i * pixels);
    return [
      Tensor.from(device, own, [index.length, 28, 28, 1]),
      Tensor.from(
        device,
        index.map((i) => samples.labels[i]),
        [index.length],
      ),
    ];
  };
  const gradient = nn.valueAndGrad(loss);
  const optimizer = new AdamW(nn.parameters(model), { lr: 3e-3, weightDecay: 0 });
  const rate = nn.cosine({ peak: 3e-3, warmup: 10, steps });
  const order = nn.batches({ count: train, size: batch, seed })[Symbol.iterator]();
  for (let step = 0; step < steps; ++step) {
    optimizer.groups[0].lr = rate(step);
    const own = pick(order.next().value.index);
    optimizer.step(gradient(model, ...own).grads);
    for (const tensor of own) tensor.dispose();
    if (step % 16 === 0) await device.synchronize();
  }

  /** Weights are pruned, biases are not. */
  const weights = Object.values(model).map(({ weight }) => weight);
  const dim = weights.reduce((sum, { size }) => sum + size, 0);
  const each = nn.valueAndGrad(loss, { perSample: true });
  const asked = some('test', test);
  const images = Tensor.from(device, asked.images, [test, 28, 28, 1]);
  const evaluate = nn.forward(logits);
  return {
    dim,
    async read() {
      const all = new Float32Array(dim);
      let from = 0;
      for (const weight of weights) {
        all.set(await weight.read(), from);
        from += weight.size;
      }
      return all;
    },
    write(/** @type {Float32Array} */ all) {
      let from = 0;
      for (const weight of weights) {
        weight.write(all.subarray(from, from + weight.size));
        from += weight.size;
      }
    },
    /** Gradients of `count` samples as they come next, one a row. @param {number} count */
    async gradients(count) {
      const rows = new Float32Array(count * dim);
      for (let done = 0; done < count; ) {
        const { index } = order.next().value;
        const own = pick(index.slice(0, count - done));
        const { grads } = each(model, ...own);
        let from = 0;
        for (const weight of weights) {
          const part = await grads.get(weight).read();
          for (let i = 0; i < own[1].size; ++i)
            rows.set(part.subarray(i * weight.size, (i + 1) * weight.size), (done + i) * dim + from);
          from += weight.size;
        }
        done += own[1].size;
        for (const tensor of own) tensor.dispose();
      }
      return Tensor.from(device, rows, [count, dim]);
    },
    /** The share of other digits that are told right. */
    async test() {
      const found = await evaluate(model, images).read();
      const best = asked.labels.map((_, i) => {
        const row = found.subarray(i * classes, (i + 1) * classes);
        return row.indexOf(Math.max(...row));
      });
      return asked.labels.reduce((sum, label, i) => sum + (best[i] === label ? 1 : 0), 0) / test;
    },
  };
}
