// Large tensors that are made and disposed of, one after the other; and how often all garbage was collected meanwhile.
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { Device, Tensor } from '../../../dist/index.js';

let collected = 0;
const observer = new PerformanceObserver((list) => {
  for (const { detail } of list.getEntries()) collected += detail.kind === constants.NODE_PERFORMANCE_GC_MINOR ? 0 : 1;
});
observer.observe({ entryTypes: ['gc'] });
const device = Device.open(process.env.ORTHOKIT_TEST_KIND ?? 'cpu');
for (let i = 0; i < 400; i++) {
  new Tensor(device, [1024, 1024, 32]).dispose(); // 128 MB
  await device.synchronize();
}
await new Promise((resolve) => setTimeout(resolve, 10));
console.log(collected);
await device.close();
