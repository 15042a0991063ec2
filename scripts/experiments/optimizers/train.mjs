// One run: a new network, trained by one optimizer at one rate from one seed. The same settings give the same bits, but for times.
import { AdaptiveBatch, Device, schedules } from 'orthokit';
import * as nn from 'orthokit/nn';
import { batchRule, contestantOf } from './contestants.mjs';
import { Sharpness } from './sharpness.mjs';
import { signShare, signsOf } from './signs.mjs';
import { taskOf } from './tasks/index.mjs';

/**
 * @typedef {object} Settings
 * @property {number} revision of what a run computes
 * @property {string} task
 * @property {'full' | 'quick'} size
 * @property {string} optimizer
 * @property {number} rate
 * @property {number} seed
 * @property {number} share of the samples of a whole run
 *
 * @typedef {object} Result
 * @property {number} steps
 * @property {{ samples: number, steps: number, loss: number, seconds: number }[]} curve the mean loss of batches between its points
 * @property {number | null} loss on samples that are not trained; null if training ended in numbers that are not finite
 * @property {number} seconds of a processor, for training
 * @property {number} signs share of the weights of matrices whose sign is another one at the end
 * @property {{ samples: number, sharpness: number }[]} sharpness along steps
 * @property {number} batch the last batch's size
 */

/** Shares of the samples of a whole run after which the sharpness along a step is measured. */
const measured = [0.25, 0.5, 0.75];

/** @param {Settings} settings @param {{ points?: number }} [options] points of the curve @returns {Promise<Result>} */
export async function train(
  { task: taskName, size: sizeName, optimizer: name, rate, seed, share },
  { points = 50 } = {},
) {
  const [task, contestant] = [taskOf(taskName), contestantOf(name)];
  const size = task.sizes[sizeName];
  const samples = Math.round(share * size.samples);
  const device = Device.open('cpu');
  try {
    const model = task.model(nn.init(device, { seed }), size);
    const isMatrix = (/** @type {string} */ path, /** @type {import('orthokit').Tensor} */ tensor) =>
      tensor.shape.length > 1 && task.isMatrix(path);
    const matrices = Object.values(nn.select(model, isMatrix));
    const others = Object.values(nn.select(model, (path, tensor) => !isMatrix(path, tensor)));
    const optimizer = contestant.make({ matrices, others }, rate);
    const initial = optimizer.groups.map((/** @type {{ lr: number }} */ { lr }) => lr);
    const factor = schedules.cosine({ steps: samples, warmup: Math.ceil(samples / 20), floor: 0.1 });
    const data = task.data(device, size, task.loss);
    const rule = contestant.sizes
      ? batchRule(contestant.sizes)
      : new AdaptiveBatch({ batchSize: size.batch, maxBatchSize: size.batch });
    const step = nn.valueAndGrad(task.loss, contestant.sizes ? { perSample: 'products' } : {});
    const before = await signsOf(matrices);
    const sharpness = new Sharpness(task, size, model);

    /** @type {Result} */
    const result = { steps: 0, curve: [], loss: null, seconds: 0, signs: 0, sharpness: [], batch: 0 };
    /** @type {Promise<ArrayLike<number>>[]} */
    let pending = [];
    let [taken, place] = [0, { epoch: 0, position: 0 }];
    const used = () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    };
    let start = used();
    const pause = async (/** @type {() => Promise<void>} */ work) => {
      await device.synchronize();
      result.seconds += used() - start;
      await work();
      start = used();
    };
    while (taken < samples) {
      const next = first(
        nn.batches({ count: data.count, size: Math.min(rule.batchSize, samples - taken), seed, from: place }),
      );
      place = { epoch: next.epoch, position: next.position };
      const count = next.index.length;
      const due = measured[result.sharpness.length];
      const isMeasured = task.curved && share === 1 && taken >= due * samples;
      const passed = Math.floor((points * taken) / samples);
      taken += count;
      for (const [i, group] of optimizer.groups.entries()) group.lr = initial[i] * factor(taken - 1);
      const batch = data.batch(next.index);
      const { value, grads, products } = step(model, ...batch);
      pending.push(value.read());
      contestant.prepare?.(grads);
      if (isMeasured) await pause(() => sharpness.before());
      optimizer.step(grads);
      if (isMeasured)
        await pause(async () => {
          result.sharpness.push({ samples: taken, sharpness: await sharpness.after(batch) });
        });
      // The rest of an epoch may be a single sample, which has no variance.
      if (rule.due && count > 1) await rule.observe(products ?? null);
      for (const tensor of batch) tensor.dispose();
      result.steps += 1;
      result.batch = count;
      if (Math.floor((points * taken) / samples) === passed) continue;
      await pause(async () => {
        const losses = (await Promise.all(pending)).map(([loss]) => loss);
        const loss = losses.reduce((sum, own) => sum + own, 0) / losses.length;
        result.curve.push({ samples: taken, steps: result.steps, loss, seconds: result.seconds });
        pending = [];
      });
      // Training that has left the numbers does not come back.
      if (!Number.isFinite(result.curve.at(-1)?.loss)) return { ...result, curve: result.curve.slice(0, -1) };
    }
    const loss = await data.test(model);
    result.loss = Number.isFinite(loss) ? loss : null;
    result.signs = signShare(before, await signsOf(matrices));
    return result;
  } finally {
    await device.close();
  }
}

/** @template T @param {Iterable<T>} from @returns {T} */
function first(from) {
  for (const item of from) return item;
  throw new Error('nothing to take');
}
