// node scripts/peers/small-tensors.mjs [rounds]
// The cost of a step over 150 small tensors beyond its arithmetic: from optimizer.step(grads) until the device is done,
// less the same number of elements in one tensor. docs/performance.md quotes it.
import { AdamW, AuON, Device, SGD, Tensor } from 'orthokit';

const rounds = Number(process.argv[2] ?? 200);
const tensors = 150;
const elements = 64;

const median = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b)[values.length >> 1];

for (const threads of [1, 2]) {
  const device = await Device.open('cpu', { threads });
  /** @param {number} count @param {number} size */
  const zeros = (count, size) => Array.from({ length: count }, () => Tensor.full(device, [1, size], 0.5));
  for (const [name, make] of /** @type {const} */ ([
    ['SGD', (/** @type {Tensor[]} */ params) => new SGD(params, { lr: 0.1, momentum: 0.9 })],
    ['AdamW', (/** @type {Tensor[]} */ params) => new AdamW(params)],
    ['AuON', (/** @type {Tensor[]} */ params) => new AuON(params)],
  ])) {
    const racers = [
      { count: tensors, size: elements },
      { count: 1, size: tensors * elements },
    ].map(({ count, size }) => ({
      optimizer: make(zeros(count, size)),
      grads: zeros(count, size),
      queued: /** @type {number[]} */ ([]),
      done: /** @type {number[]} */ ([]),
    }));
    for (let round = -20; round < rounds; round++)
      for (const { optimizer, grads, queued, done } of racers) {
        await device.synchronize();
        const start = performance.now();
        optimizer.step(grads);
        const mid = performance.now();
        await device.synchronize();
        if (round < 0) continue;
        queued.push(mid - start);
        done.push(performance.now() - start);
      }
    const [many, one] = racers;
    console.log(
      JSON.stringify({
        step: `${name}, ${tensors} tensors of ${elements}`,
        threads,
        median_ms: Number(median(many.done).toFixed(3)),
        one_tensor_ms: Number(median(one.done).toFixed(3)),
        beyond_ms: Number((median(many.done) - median(one.done)).toFixed(3)),
        queueing_ms: Number(median(many.queued).toFixed(3)),
        rounds,
      }),
    );
  }
}
process.exit(0);
