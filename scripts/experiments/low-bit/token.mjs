// The embedding of one letter is learnt by forwards alone, in a model of 4 bits that knows all other letters.
import { Device, ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { QuantLinear, ZoodipOptimizer } from 'orthokit/quantized';
import { batchOf, exchange, lossOf, modelOf, sizes, textsOf } from './model.mjs';
import { group } from './move.mjs';

export const steps = { full: 800, quick: 24 };
/** Ways by name: the history of the projection, and the share of the variance that it removes. */
export const ways = {
  'without projection': { history: 32, nu: 1e-12 },
  'history of 32': { history: 32, nu: 1e-3 },
  'history of 128': { history: 128, nu: 1e-3 },
};

/** Letters that are taken away, one a seed, by their places among the most frequent ones. */
const places = [1, 2, 4];

/** @param {Int32Array} text @param {number} place @returns {number} */
function frequent(text, place) {
  const counts = new Map();
  for (const id of text) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[place][0];
}

/** @param {{ size: 'full' | 'quick', seed: number, way: keyof typeof ways }} settings */
export async function learnt({ size: name, seed, way }) {
  const size = sizes[name];
  const device = Device.open('cpu', { threads: 1 });
  const { known } = textsOf();
  const model = await modelOf(device, name, seed);
  exchange(model, ({ weight, bias }) =>
    QuantLinear.quantize(weight, { group: Math.min(group, weight.shape[1]), bias }),
  );
  const table = /** @type {Tensor} */ (model.tokens.weight);
  const [letters, width] = table.shape;
  const numbers = await table.read();
  const letter = frequent(known.train, places[(seed - 1) % places.length]);
  const row = table.rows(letter, letter + 1);
  const own = Float32Array.from(numbers.subarray(letter * width, (letter + 1) * width));
  // The new one begins as the mean of all others.
  const mean = Float32Array.from({ length: width }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < letters; ++i) if (i !== letter) sum += numbers[i * width + j];
    return sum / (letters - 1);
  });
  const evaluate = nn.forward(lossOf);
  const starts = Array.from({ length: size.windows }, (_, i) =>
    Math.floor((i * (known.test.length - size.context - 1)) / size.windows),
  );
  const test = batchOf(device, known.test, starts, size.context);
  const look = async (/** @type {Float32Array} */ values) => {
    row.write(values);
    return (await evaluate(model, ...test).read())[0];
  };
  const [before, attainable] = [await look(mean), await look(own)];
  const x = Tensor.from(device, mean, [1, width]);
  const zoodip = new ZoodipOptimizer(x, ways[way]);
  const batches = nn.batches({ count: known.train.length - size.context, size: size.batch, seed })[Symbol.iterator]();
  let removed = 0;
  for (let i = 0; i < steps[name]; ++i) {
    const [ids, next] = batchOf(device, known.train, batches.next().value.index, size.context);
    zoodip.lr = 0.02 * (1 - i / steps[name]);
    const step = await zoodip.step(
      (at) => {
        ops.copy(device, { x: [at], out: [row] });
        return evaluate(model, ids, next);
      },
      1_000_000 * seed + i,
    );
    removed = Math.max(removed, step.removed);
    for (const tensor of [ids, next]) tensor.dispose();
  }
  const after = await look(/** @type {Float32Array} */ (await x.read()));
  await device.close();
  return { before, attainable, after, removed, width };
}
