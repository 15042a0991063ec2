// Workers that end while reads wait behind other work: the memory that was to receive them goes with the workers.
import { readFileSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';
import { Device, ops, Tensor } from '../../../dist/index.js';

const kind = process.env.ORTHOKIT_TEST_KIND ?? 'cpu';
const elements = 16 << 20; // 64 MB a read

if (isMainThread) {
  const privateBytes = () => 1024 * Number(/VmData:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  const sizes = [];
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => new Worker(new URL(import.meta.url)).on('exit', resolve));
    sizes.push(privateBytes());
  }
  console.log(sizes[3] - sizes[0] < 4 * elements);
} else {
  const device = Device.open(kind);
  const x = Tensor.zeros(device, [elements]);
  // CUDA's emulator is slower, and a kernel that has begun must end.
  const side = kind === 'cpu' ? 1500 : 300;
  const [a, b, c] = [0, 1, 2].map(() => Tensor.zeros(device, [side, side]));
  for (let i = 0; i < 20; i++) ops.gemm(device, { a, b, c });
  for (let i = 0; i < 4; i++) x.read();
  process.exit(0);
}
