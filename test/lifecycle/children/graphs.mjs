// The number of graphs that five steps of AdamW launch on CUDA's emulator, and their weights.
import { createRequire } from 'node:module';
import path from 'node:path';
import { AdamW, Device, Tensor } from '../../../dist/index.js';

const emulator = path.join(path.dirname(path.resolve(process.env.ORTHOKIT_CUDA_PLUGIN)), 'emulator_control.node');
const { control } = createRequire(import.meta.url)(emulator);
const device = Device.open('cuda');
const wave = (i) => Float32Array.from({ length: 3000 }, (_, k) => Math.sin(k + i));
const weights = [0, 1].map((i) => Tensor.from(device, wave(i), [3000]));
const grads = [2, 3].map((i) => Tensor.from(device, wave(i), [3000]));
const optimizer = new AdamW(weights);
for (let i = 0; i < 5; i++) optimizer.step(grads);
const values = await Promise.all(weights.map((tensor) => tensor.read()));
console.log(control('calls?cudaGraphLaunch'));
console.log(Buffer.concat(values.map((each) => Buffer.from(each.buffer))).toString('base64'));
await device.close();
