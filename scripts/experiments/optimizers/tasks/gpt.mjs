// Letters of Moby-Dick, by the GPT of the examples.
import { Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from '../../../../examples/gpt/model.mjs';
import { loadText, windows } from '../../../../examples/gpt/text.mjs';

/** @type {ReturnType<typeof loadText> | undefined} */
let text;
const read = () => {
  text ??= loadText();
  return text;
};

/** @type {import('./index.mjs').Task} */
export const gpt = {
  name: 'gpt',
  title: 'Letters of Moby-Dick, GPT',
  ...{ curved: true, tuned: true },
  sizes: {
    full: { samples: 7200, batch: 12, width: 128, heads: 4, blocks: 4, context: 64 },
    quick: { samples: 64, batch: 4, width: 16, heads: 4, blocks: 1, context: 16 },
  },
  model: (make, { width, heads, blocks, context }) =>
    new Gpt(make, { letters: read().letters.length, ...{ width, heads, blocks, context } }),
  loss: (model, ids, next) => nn.crossEntropy(model.forward(ids), next),
  // The tables of letters and positions are rows that are looked up, no matrices that multiply.
  isMatrix: (path) => path.startsWith('blocks.'),
  data: (device, { context }, loss) => {
    const { train, test } = read();
    /** @param {Int32Array} from @param {ArrayLike<number>} starts */
    const batchOf = (from, starts) => {
      const { ids, next } = windows(from, starts, context);
      return [ids, next].map((letters) => Tensor.from(device, letters, [starts.length, context]));
    };
    const evaluate = nn.forward(loss);
    return {
      count: train.length - context,
      batch: (index) => batchOf(train, index),
      test: async (model) => {
        const starts = Array.from({ length: 64 }, (_, i) => Math.floor((i * (test.length - context - 1)) / 64));
        const batch = batchOf(test, starts);
        const [loss] = await evaluate(model, ...batch).read();
        for (const tensor of batch) tensor.dispose();
        return Number(loss);
      },
    };
  },
};
