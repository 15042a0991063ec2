// Shares a tensor with its parent, and writes into one of the parent's.
import { Device, Tensor } from '../../dist/index.js';

const device = Device.open('cpu', { threads: 1 });
const own = Tensor.from(device, [1, 2, 3, 4], [4]);
process.on('message', async ({ handle }) => {
  const theirs = Tensor.fromShared(device, handle);
  theirs.write(Float32Array.of(5, 6, 7, 8));
  await device.synchronize();
  process.send('written');
});
process.send({ handle: await own.share() });
