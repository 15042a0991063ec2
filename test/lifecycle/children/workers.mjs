// Worker threads that use devices and end in the way that argument 2 names, as often as argument 3 says.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Device, Tensor } from '../../../dist/index.js';
import { busyDevice } from './work.mjs';

const end = {
  return: async () => {
    const { device, c } = busyDevice(2);
    await c.read();
    await device.close();
  },
  leave: () => busyDevice(),
  throw: () => {
    busyDevice();
    throw new RangeError('from a worker');
  },
  exit: () => {
    const { c } = busyDevice();
    c.read();
    process.exit(5);
  },
  terminate: () => {
    const { c, device } = busyDevice(200);
    c.read().then(() => {});
    device.flow();
    setInterval(() => c.read(), 1);
  },
};

if (isMainThread) {
  const [way, count] = [process.argv[2], Number(process.argv[3])];
  const own = Device.open('cpu');
  const x = Tensor.full(own, [1000], 3);
  const codes = [];
  for (let i = 0; i < count; i++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: way });
    worker.on('error', () => {});
    const ended = new Promise((resolve) => worker.on('exit', resolve));
    await new Promise((resolve) => worker.once('message', resolve));
    if (way === 'terminate') {
      await new Promise((resolve) => setTimeout(resolve, (i * 7) % 40));
      worker.terminate();
    }
    codes.push(await ended);
    const [value] = await x.read();
    if (value !== 3) throw new Error('the main thread lost its data');
  }
  await own.close();
  console.log(JSON.stringify([...new Set(codes)]));
} else {
  parentPort.postMessage('started');
  await end[workerData]();
}
