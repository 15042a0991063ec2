// Digits, a model that is cheap, and an oracle that tells the loss and its derivative by the model's outputs, and counts how often.
import { ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { classes, loadDigits, pixels } from '../../../examples/digits/data.mjs';

/** @typedef {'linear' | 'mlp'} Network */

const side = 14;
const width = side * side;
/** @type {ReturnType<typeof loadDigits>['train'] | undefined} */
let digits;

/**
 * @param {import('orthokit').Device} device @param {Network} network @param {{ count: number, hidden: number }} size @param {number} seed
 */
export function problemOf(device, network, { count, hidden }, seed) {
  digits ??= loadDigits().train;
  const train = digits;
  const { index } = nn.batches({ count: train.labels.length, size: count, seed })[Symbol.iterator]().next().value;
  const pixelsOf = new Float64Array(count * width);
  for (const [i, from] of index.entries())
    for (let at = 0; at < pixels; ++at)
      pixelsOf[i * width + Math.floor(at / 56) * side + Math.floor((at % 28) / 2)] +=
        train.images[from * pixels + at] / 4;
  const x = Tensor.from(device, pixelsOf, [count, width]);
  const labels = Tensor.from(
    device,
    Int32Array.from(index, (/** @type {number} */ from) => train.labels[from]),
    [count],
  );
  const make = nn.init(device, { seed, dtype: 'f64' });
  const layers =
    network === 'linear'
      ? [make.linear(width, classes, { deviation: 0.01 })]
      : [
          make.linear(width, hidden, { deviation: 1 / Math.sqrt(width) }),
          make.linear(hidden, classes, { deviation: 1 / Math.sqrt(hidden) }),
        ];
  const model = { layers };
  const outputs = (/** @type {any} */ net) => {
    const [first, second] = net.layers;
    const z = nn.linear(first, x);
    return second ? nn.linear(second, nn.map(z, 'tanh')) : z;
  };
  const forward = nn.forward(outputs);
  const pullback = nn.valueAndGrad((/** @type {any} */ net, /** @type {Tensor} */ u) =>
    nn.sum(nn.multiply(outputs(net), u)),
  );
  const params = nn.parameters(model);
  const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
  let calls = 0;
  /** Losses as the oracle has told them. @type {number[]} */
  const told = [];
  return {
    params,
    told,
    calls: () => calls,
    /** The model, as `TargetSurrogate` takes it. */
    model: {
      params,
      targets: [count, classes],
      forward: (/** @type {Tensor} */ z) => ops.copy(device, { x: [forward(model)], out: [z] }),
      vjp: (/** @type {Tensor} */ u, /** @type {readonly Tensor[]} */ grads) => {
        const found = pullback(model, u).grads;
        ops.copy(device, { x: params.map((parameter) => /** @type {Tensor} */ (found.get(parameter))), out: grads });
      },
    },
    /** The dear call: the mean cross entropy at z, whose derivative by z goes to `gradOut`. @param {Tensor} z @param {Tensor} gradOut */
    async oracle(z, gradOut) {
      calls += 1;
      ops.softmaxCrossEntropy(device, { logits: z, labels, loss });
      ops.softmaxCrossEntropyBackward(device, { logits: z, labels, grad: gradOut });
      const [value] = await loss.read();
      told.push(value);
      return value;
    },
  };
}
