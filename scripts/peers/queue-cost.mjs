// node scripts/peers/queue-cost.mjs [rounds]
// The cost of a call to JavaScript until it has queued its work: microseconds of the event loop a call, the least and the median of
// rounds of 1000 calls, which the device does meanwhile and is waited for between rounds. docs/performance.md quotes it.
import { Device, ops, SGD, Tensor } from '../../dist/index.js';

const rounds = Number(process.argv[2] ?? 30);
const calls = 1000;
const device = Device.open('cpu', { threads: 1 });
const matrix = () => Tensor.full(device, [4, 4], 0.5);
const [x, y, z] = [matrix(), matrix(), matrix()];
const optimizer = new SGD([matrix()], { lr: 0.1 });

const cases = {
  'ops.relu': () => ops.relu(device, { x, out: y }),
  'ops.gemm': () => ops.gemm(device, { a: x, b: y, c: z }),
  'SGD.step, one tensor': () => optimizer.step([x]),
};

const median = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b)[values.length >> 1];
for (const [name, call] of Object.entries(cases)) {
  const times = [];
  for (let round = -5; round < rounds; round++) {
    const begin = performance.now();
    for (let i = 0; i < calls; i++) call();
    const wall = performance.now() - begin;
    await device.synchronize();
    if (round >= 0) times.push(wall);
  }
  const us = (/** @type {number} */ ms) => Number(((1e3 * ms) / calls).toFixed(2));
  console.log(JSON.stringify({ call: name, min_us: us(Math.min(...times)), median_us: us(median(times)), rounds }));
}
await device.close();
