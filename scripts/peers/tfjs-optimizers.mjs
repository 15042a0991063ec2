// node scripts/peers/tfjs-optimizers.mjs [cpu|wasm]: one step of an optimizer with gradients that are there, of
// TensorFlow.js and of orthokit/tfjs, by turns in one process, on one thread: the least and the median of milliseconds.
// AdamW on tensors shows what the adapter adds.
import { createRequire } from 'node:module';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { AdamW, Device, Muon, Tensor } from 'orthokit';
import { tfjsOptimizer } from 'orthokit/tfjs';

const [backend = 'wasm'] = process.argv.slice(2);
const rounds = 15;
const shapes = { small: Array(8).fill([64, 64]), layer: [[1024, 1024]], mlp: [[784, 256], [256, 256], [256, 10]] }; // biome-ignore format: one line

const require = createRequire(import.meta.url);
setWasmPaths(`${path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`);
if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no backend ${backend}`);
const device = Device.open('cpu', { threads: 1 });

const middle = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];

for (const [name, sizes] of Object.entries(shapes)) {
  const variables = sizes.map((shape) => tf.variable(tf.randomNormal(shape)));
  const gradients = Object.fromEntries(variables.map((v) => [v.name, tf.randomNormal(v.shape)]));
  const weights = sizes.map((shape) => Tensor.randn(device, shape, { seed: 1 }));
  const grads = sizes.map((shape) => Tensor.randn(device, shape, { seed: 2 }));
  const direct = new AdamW(weights);
  const adapters = { AdamW: tfjsOptimizer(tf, AdamW, {}, { device }), Muon: tfjsOptimizer(tf, Muon, {}, { device }) };
  const adam = tf.train.adam(1e-3);
  const racers = {
    'tf.train.adam': () => adam.applyGradients(gradients),
    'tfjsOptimizer AdamW': () => adapters.AdamW.applyGradients(gradients),
    'AdamW on tensors': async () => {
      direct.step(grads);
      await device.synchronize();
    },
    'tfjsOptimizer Muon': () => adapters.Muon.applyGradients(gradients),
  };
  const times = Object.fromEntries(Object.keys(racers).map((racer) => [racer, []]));
  for (let round = -2; round < rounds; round += 1)
    for (const [racer, step] of Object.entries(racers)) {
      const start = performance.now();
      await step();
      if (round >= 0) times[racer].push(performance.now() - start);
    }
  for (const [racer, list] of Object.entries(times))
    console.log(
      `${backend} ${name}: ${racer}: ${Math.min(...list).toFixed(3)} ms, median ${middle(list).toFixed(3)} ms`,
    );
  adam.dispose();
  direct.dispose();
  for (const adapter of Object.values(adapters)) adapter.dispose();
  tf.dispose([variables, gradients]);
  for (const tensor of [...weights, ...grads]) tensor.dispose();
}
await device.close();
