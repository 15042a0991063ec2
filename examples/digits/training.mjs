import { ops, Tensor } from 'orthokit';
import { Mlp } from './network.mjs';
import { shareOf } from './timing.mjs';

/**
 * @import { Device } from 'orthokit'
 * @import { Examples } from './data.mjs'
 * @import { Optimizer } from './optimizers.mjs'
 *
 * @typedef {object} Result
 * @property {number[]} losses mean cross-entropy of every step's batch
 * @property {number[]} accuracies on the test examples after every epoch, 0 to 1
 * @property {number} seconds of training, without the tests between epochs
 * @property {number} optimizerShare of the time of a step, 0 to 1
 */

/**
 * Trains a new network while the learning rates fall linearly to zero. JavaScript only queues work: nothing is awaited
 * within an epoch, and the losses of its steps stay on the device until it ends.
 *
 * @param {Device} device
 * @param {object} options
 * @param {Examples} options.train
 * @param {Examples} options.test
 * @param {Int32Array[][]} options.batches indices of training examples by epoch and batch, all of one size
 * @param {readonly number[]} options.sizes of the network's layers
 * @param {number} options.seed of its weights
 * @param {(network: Mlp) => Optimizer} options.makeOptimizer
 * @param {(epoch: number, loss: number, accuracy: number) => void} [options.onEpoch]
 * @returns {Promise<Result>}
 */
export async function trainNetwork(device, { train, test, batches, sizes, seed, makeOptimizer, onEpoch }) {
  const network = new Mlp(device, sizes, { seed });
  const optimizer = makeOptimizer(network);
  const grads = [...network.weightGrads, ...network.biasGrads];
  const indices = batches.map((epoch) => epoch.map((index) => Tensor.from(device, index, [index.length])));
  const losses = batches[0].map(() => Tensor.zeros(device, [1], { dtype: 'f64' }));
  const computeGrads = gradients(network, train, batches[0][0].length);
  const accuracy = accuracyTest(network, test);
  const decay = linearDecay(optimizer, batches.length * losses.length);

  const result = { losses: /** @type {number[]} */ ([]), accuracies: /** @type {number[]} */ ([]), seconds: 0 };
  for (const [epoch, steps] of indices.entries()) {
    const start = performance.now();
    for (const [step, index] of steps.entries()) {
      decay(epoch * steps.length + step);
      computeGrads(index, losses[step]);
      optimizer.step(grads);
    }
    const epochLosses = (await Promise.all(losses.map((loss) => loss.read()))).map(([loss]) => loss);
    result.seconds += (performance.now() - start) / 1000;
    result.losses.push(...epochLosses);
    result.accuracies.push(await accuracy());
    onEpoch?.(epoch + 1, mean(epochLosses), result.accuracies[epoch]);
  }

  const optimizerShare = await shareOf(
    device,
    () => optimizer.step(grads),
    () => computeGrads(indices[0][0], losses[0]),
  );
  return { ...result, optimizerShare };
}

/** @param {readonly number[]} values */
export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * @param {Mlp} network
 * @param {Examples} examples
 * @param {number} batchSize
 * @returns {(index: Tensor, loss: Tensor) => void} fills the network's gradients from the examples of these indices
 */
function gradients(network, examples, batchSize) {
  const { device } = network;
  const { images, labels } = upload(device, examples);
  const buffers = network.buffers(batchSize);
  const batch = {
    images: new Tensor(device, [batchSize, images.shape[1]]),
    labels: new Tensor(device, [batchSize], 'i32'),
  };
  return (index, loss) => {
    ops.gatherRows(device, { x: images, index, out: batch.images });
    ops.gatherRows(device, { x: labels, index, out: batch.labels });
    network.forward(batch.images, buffers);
    network.evaluate(batch.labels, buffers, { loss });
    network.backward(batch.images, batch.labels, buffers);
  };
}

/** @param {Mlp} network @param {Examples} examples @returns {() => Promise<number>} */
function accuracyTest(network, examples) {
  const { images, labels } = upload(network.device, examples);
  const buffers = network.buffers(labels.size);
  const loss = Tensor.zeros(network.device, [1], { dtype: 'f64' });
  const correct = Tensor.zeros(network.device, [1], { dtype: 'i32' });
  return async () => {
    network.forward(images, buffers);
    network.evaluate(labels, buffers, { loss, correct });
    return (await correct.read())[0] / labels.size;
  };
}

/** @param {Device} device @param {Examples} examples */
function upload(device, { images, labels }) {
  return {
    images: Tensor.from(device, images, [labels.length, images.length / labels.length]),
    labels: Tensor.from(device, labels, [labels.length]),
  };
}

/** @param {Optimizer} optimizer @param {number} steps @returns {(step: number) => void} */
function linearDecay({ groups }, steps) {
  const initial = groups.map(({ lr }) => lr);
  return (step) => {
    for (const [i, group] of groups.entries()) group.lr = initial[i] * (1 - step / steps);
  };
}
