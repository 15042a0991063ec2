// Networks of the experiment of optimizers, small enough that curvature is measured often.
import { Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { taskOf } from '../optimizers/tasks/index.mjs';

/** @typedef {'mlp' | 'cnn' | 'gpt'} Network */

/** @type {Record<'full' | 'quick', Record<Network, any>>} `measured`: samples over which spectra are taken */
const sizes = {
  full: {
    mlp: { hidden: 32, every: 2, batch: 128, measured: 512 },
    cnn: { channels: [4, 8, 16], every: 2, batch: 32, measured: 96 },
    gpt: { width: 32, heads: 4, blocks: 2, context: 32, batch: 16, measured: 64 },
  },
  quick: {
    mlp: { hidden: 8, every: 20, batch: 16, measured: 32 },
    cnn: { channels: [2, 2, 2], every: 20, batch: 16, measured: 16 },
    gpt: { width: 8, heads: 2, blocks: 1, context: 8, batch: 4, measured: 8 },
  },
};

/**
 * A network that learns: its parameters, a step on the next batch, and its curvature.
 *
 * @param {import('orthokit').Device} device @param {Network} name @param {'full' | 'quick'} size @param {number} seed
 */
export function networkOf(device, name, size, seed) {
  const task = taskOf(name);
  const own = sizes[size][name];
  const model = task.model(nn.init(device, { seed }), own);
  const data = task.data(device, own, task.loss);
  const order = nn.batches({ count: data.count, size: own.batch, seed })[Symbol.iterator]();
  const grads = nn.valueAndGrad(task.loss);
  const measured = data.batch(
    nn.batches({ count: data.count, size: own.measured, seed: 0 })[Symbol.iterator]().next().value.index,
  );
  /** @type {Tensor[]} */
  let batch = [];
  const next = () => {
    for (const tensor of batch) tensor.dispose();
    batch = data.batch(order.next().value.index);
  };
  next();
  return {
    model,
    params: nn.parameters(model),
    /** @param {import('orthokit').SGD} optimizer @returns {Promise<number>} the loss before the step */
    async step(optimizer) {
      const { value, grads: found } = grads(model, ...batch);
      optimizer.step(found);
      const [loss] = await value.read();
      next();
      return loss;
    },
    /** The loss of the batch that comes next. */
    oracleOfBatch: () => nn.oracle(task.loss, model, () => batch),
    /** The loss of samples that are always the same. */
    oracle: () => nn.oracle(task.loss, model, () => measured),
    test: () => data.test(model),
  };
}
