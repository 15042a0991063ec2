import { Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from '../../gpt/model.mjs';
import { windows } from '../../gpt/text.mjs';
import { textOf } from './data.mjs';
import { JobError } from './job-error.mjs';
import { tooLarge } from './memory.mjs';

/** @import { Device } from 'orthokit' */
/** @import { Task } from './train.mjs' */

/**
 * A transformer that tells the next letter.
 *
 * @param {Device} device
 * @param {Record<string, any>} params
 * @param {string | undefined} folder of data
 * @param {number} most bytes of memory
 * @returns {Promise<Task>}
 */
export async function letterWriter(device, params, folder, most) {
  const { width, blocks, context, batch } = params;
  const { letters, train, test } = await textOf(folder, params.data);
  if (width % 4 !== 0) throw new JobError('ERR_ARGUMENT', `width must be a multiple of 4, the heads, got ${width}`);
  const refusal = tooLarge('gpt', params, most, { letters: letters.length });
  if (refusal) throw new JobError('ERR_ARGUMENT', refusal);
  const count = train.length - context;
  if (count < batch || test.length <= context)
    throw new JobError('ERR_SHAPE', `the text ${params.data} must have more letters than context and batch ask for`);
  const size = { letters: letters.length, width, heads: 4, blocks, context };
  const model = new Gpt(nn.init(device, { seed: params.seed }), size);
  /** @param {any} gpt @param {Tensor} ids @param {Tensor} next */
  const lossOf = (gpt, ids, next) => nn.crossEntropy(gpt.forward(ids), next);
  const evaluate = nn.forward(lossOf);
  /** @param {Int32Array} text @param {ArrayLike<number>} starts @returns {[Tensor, Tensor]} */
  const tensors = (text, starts) => {
    const { ids, next } = windows(text, starts, context);
    const shape = [starts.length, context];
    return [Tensor.from(device, ids, shape), Tensor.from(device, next, shape)];
  };
  return {
    model,
    step: nn.valueAndGrad(lossOf),
    count,
    inputs: (index) => tensors(train, index),
    config: { model_type: 'orthokit-example-gpt', ...size, alphabet: letters.join('') },
    async result() {
      const starts = Array.from({ length: 32 }, (_, i) => Math.floor((i * (test.length - context - 1)) / 32));
      return { testLoss: (await evaluate(model, ...tensors(test, starts)).read())[0] };
    },
  };
}
