// Creates, steps and lets go of optimizers.  cycles.mjs <cycles> <dispose|leave> [seconds]: with
// seconds, cycles go on for so long, and the memory is looked at in between. Needs --expose-gc, and a small young
// generation, which grows for thousands of cycles otherwise.
import { AdamW, combine, Device, Muon, Tensor } from '../../../dist/index.js';

const [cycles, way, seconds] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4] ?? 0)];
const device = Device.open('cpu', { threads: 1 });
const data = new Float32Array(64 * 48).fill(0.5);

async function cycle(i) {
  const matrix = () => Tensor.from(device, data, [64, 48]);
  const [a, b, c] = [matrix(), matrix(), matrix()];
  const grads = [matrix(), matrix(), matrix()];
  const large = Tensor.zeros(device, [1 << 17]);
  const parts = [
    { optimizer: Muon, params: [a, b] },
    { optimizer: AdamW, params: [c] },
  ];
  const optimizer = combine(parts, { nonFinite: 'skip' });
  optimizer.step(grads);
  if (i % 8 === 0) await optimizer.report();
  const [first] = await a.read();
  if (!Number.isFinite(first)) throw new Error(`read ${first}`);
  if (way === 'dispose') {
    for (const tensor of [a, b, c, large, ...grads]) tensor.dispose();
    optimizer.dispose();
  }
}

async function collected() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

let most = 0;
async function run(count) {
  for (let i = 0; i < count; i++) {
    await cycle(i);
    most = Math.max(most, process.memoryUsage.rss());
  }
}
await run(Math.ceil(cycles / 2));
await collected();
const warm = process.memoryUsage.rss();
most = 0;
await run(cycles);
await collected();
const [growth, { live }] = [process.memoryUsage.rss() - warm, device.info.memory];
const samples = [];
const [start, between] = [performance.now(), 10_000];
for (let i = 1; i * between <= 1000 * seconds; i++) {
  while (performance.now() - start < i * between) await run(1);
  await collected();
  samples.push([(performance.now() - start) / 3_600_000, process.memoryUsage.rss()]);
}
console.log(JSON.stringify({ warm, most, growth, live, samples }));
await device.close();
