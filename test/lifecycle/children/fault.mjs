// A fault of the device that stays, with work behind it; then the process ends in the way that argument 2 names.
import { createRequire } from 'node:module';
import path from 'node:path';
import { Device, Tensor } from '../../../dist/index.js';
import { busyDevice } from './work.mjs';

const emulator = path.join(path.dirname(path.resolve(process.env.ORTHOKIT_CUDA_PLUGIN)), 'emulator_control.node');
const { control } = createRequire(import.meta.url)(emulator);
const way = process.argv[2];

const { device, c } = busyDevice(2);
const { device: other, c: d, queue } = busyDevice(0);
await Promise.all([device.synchronize(), other.synchronize()]);
control('fail=cudaLaunchKernelEx:3:700');
queue(3);
const codeOf = (tensor) =>
  tensor.read().then(
    () => 'read',
    (error) => error.code,
  );
const codes = [await codeOf(d), await codeOf(c)];
// The device is lost for the whole process; the CPU is not.
console.log(codes.join() === 'ERR_BACKEND,ERR_BACKEND' ? 'lost' : codes);
const cpu = Device.open('cpu', { threads: 1 });
console.log(...(await Tensor.full(cpu, [2], 3).read()));
if (way === 'close') for (const one of [device, other, cpu]) await one.close();
if (way === 'exit') process.exit(7);
