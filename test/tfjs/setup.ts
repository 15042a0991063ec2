// TensorFlow.js with a backend, its greeting apart.
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as layers from '@tensorflow/tfjs-layers';

const require = createRequire(import.meta.url);
const folder = path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'));
setWasmPaths(`${path.join(folder, 'dist')}/`);

export { layers, tf };

let isGreeted = false;

export const backends = ['cpu', 'wasm'] as const;

/** Makes a backend that of all work. */
export async function use(backend: (typeof backends)[number]): Promise<void> {
  if (!isGreeted) {
    // The CPU backend greets at its first tensor, but for tests.
    tf.env().set('IS_TEST', true);
    await tf.setBackend('cpu');
    tf.scalar(0).dispose();
    tf.env().set('IS_TEST', false);
    isGreeted = true;
  }
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no backend ${backend}`);
}

/** The elements of a tensor. */
export const numbers = (tensor: tf.Tensor): number[] => [...(tensor.dataSync() as Float32Array)];
