// Ends by process.exit() with products in the queue of a CUDA device.
import { Device, ops, Tensor } from '../../../dist/index.js';

const device = Device.open('cuda');
const [a, b, c] = [1, 2, 3].map(() => Tensor.zeros(device, [256, 256]));
await device.synchronize();
for (let i = 0; i < 2000; i++) ops.gemm(device, { a, b, c });
process.exit(7);
