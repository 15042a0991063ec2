// A loop that follows the guide, with flow() as its only await, and leaves all its tensors to the garbage collector.
import { Device, Tensor } from '../../../dist/index.js';

const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
const device = Device.open(kind);
let most = 0;
for (let i = 0; i < 600; i++) {
  new Tensor(device, [1024, 2560]); // 10 MB
  if (i % 10 === 0) await device.flow();
  most = Math.max(most, device.info.memory.bytes);
}
console.log(Math.round(most / 2 ** 20));
await device.close();
