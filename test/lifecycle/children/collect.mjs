// Tensors that nobody holds give their memory back. Needs --expose-gc.
import { Device, Tensor } from '../../../dist/index.js';

const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
const device = Device.open(kind);
const start = device.info.memory;
async function use() {
  for (let i = 0; i < 200; i++) {
    const x = Tensor.zeros(device, [1000]);
    x.reshape([10, 100]);
    if (i % 50 === 0) await x.read();
  }
}
for (let round = 0; round < 3; round++) {
  await use();
  const full = device.info.memory.live;
  for (let i = 0; i < 20 && device.info.memory.live > 0; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  console.log(full > 0, device.info.memory.live === start.live, device.info.memory.bytes === start.bytes);
}
// Devices, too: their threads and queues go with them.
for (let i = 0; i < 50; i++) Tensor.zeros(Device.open(kind, kind === 'cpu' ? { threads: 2 } : {}), [10]);
const { readdirSync } = await import('node:fs');
const areFew = () => readdirSync('/proc/self/task').length < 60;
// Threads end in their own time.
for (let i = 0; i < 20 || (i < 2000 && !areFew()); i++) {
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log(areFew());
// The array that a read fills is held, although nobody has it yet.
const x = Tensor.full(device, [100_000], 7);
const reads = Array.from({ length: 20 }, () => x.read());
globalThis.gc();
console.log((await Promise.all(reads)).every((data) => data.every((value) => value === 7)));
await device.close();
