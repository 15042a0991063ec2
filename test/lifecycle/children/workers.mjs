// Worker threads that use devices and end in ways that a seed chooses.  workers.mjs <seed> <count>
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Device, Tensor } from '../../../dist/index.js';
import { Random } from '../../support/random.mjs';
import { busyDevice } from './work.mjs';

const end = {
  return: async () => {
    const { device, c } = busyDevice(1);
    await c.read();
    await device.close();
  },
  leave: () => busyDevice(8),
  throw: () => {
    busyDevice(8);
    throw new RangeError('from a worker');
  },
  exit: () => {
    const { c } = busyDevice(8);
    c.read();
    process.exit(5);
  },
  terminate: () => {
    const { c, device } = busyDevice(8);
    c.read().then(() => {});
    device.flow();
    setInterval(() => c.read(), 1);
  },
};

async function oneWorker(way, random) {
  const worker = new Worker(new URL(import.meta.url), { workerData: way });
  worker.on('error', () => {});
  const ended = new Promise((resolve) => worker.on('exit', resolve));
  if (way === 'terminate') {
    // At any time, from before its first line to after its first work; every other one has begun, however long that takes.
    if (random.below(2) === 1) await Promise.race([once(worker, 'message'), ended]);
    const microseconds = random.below(90_000);
    await sleep(Math.floor(microseconds / 1000));
    const until = performance.now() + (microseconds % 1000) / 1000;
    while (performance.now() < until);
    worker.terminate();
  }
  return ended;
}

if (isMainThread) {
  const [seed, count] = process.argv.slice(2).map(Number);
  const random = new Random(seed);
  const own = Device.open('cpu', { threads: 1 });
  const x = Tensor.full(own, [1000], 3);
  const threads = () => readdirSync('/proc/self/task').length;
  const ends = {};
  const before = threads();
  let left = count;
  const chain = async () => {
    while (left > 0) {
      left -= 1;
      const way = random.of(Object.keys(end));
      const code = await oneWorker(way, random);
      ends[`${way} ${code}`] = (ends[`${way} ${code}`] ?? 0) + 1;
      if (!(await x.read()).every((value) => value === 3)) throw new Error('the main thread lost its data');
    }
  };
  await Promise.all([chain(), chain(), chain()]);
  // Threads of devices that were left end behind the scenes.
  for (let i = 0; i < 1000 && threads() > before; i += 1) await sleep(10);
  console.log(JSON.stringify({ ends, extraThreads: Math.max(0, threads() - before) }));
  await own.close();
} else {
  parentPort.postMessage('started');
  await end[workerData]();
}
