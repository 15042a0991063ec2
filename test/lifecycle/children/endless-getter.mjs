// A worker that is ended while native code waits for JavaScript ends alone.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Device, ops, Tensor } from '../../../dist/index.js';

/** Never returns. */
function forever() {
  parentPort.postMessage('waiting');
  for (;;);
}

if (isMainThread) {
  for (const kind of ['field', 'element', 'shape']) {
    const worker = new Worker(new URL(import.meta.url), { workerData: kind });
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    console.log(kind, 'ended');
  }
} else {
  const device = Device.open('cpu', { threads: 1 });
  const list = [];
  Object.defineProperty(list, 0, { get: forever });
  if (workerData === 'shape') new Tensor(device, list);
  ops.fill(device, workerData === 'field' ? Object.defineProperty({}, 'x', { get: forever }) : { x: list });
}
