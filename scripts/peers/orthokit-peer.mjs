// node scripts/peers/orthokit-peer.mjs <case>: our side of a race, on one thread.
import { AdamW, AuON, Device, ops, SGD, Tensor } from 'orthokit';
import { Mlp } from '../../examples/digits/network.mjs';
import cases from './cases.json' with { type: 'json' };
import { race } from './race.mjs';
import { gpt2Like } from './shapes.mjs';

const name = process.argv[2];
const device = Device.open('cpu', { threads: 1 });
const { shape, batch } = cases[name];

function steps(Optimizer, options) {
  const weights = gpt2Like.map((shape, i) => Tensor.randn(device, shape, { seed: i }));
  const grads = gpt2Like.map((shape, i) => Tensor.randn(device, shape, { seed: 1000 + i }));
  const optimizer = new Optimizer(weights, options);
  return () => optimizer.step(grads);
}

function matrix(queue) {
  const x = Tensor.randn(device, shape, { seed: 1 });
  return () => queue(x);
}

const coefficients = Array.from({ length: 5 }, () => [3.4445, -4.775, 2.0315]).flat();
const like = () => new Tensor(device, shape);
const makers = {
  sgd: () => steps(SGD, { lr: 0.1, momentum: 0.9 }),
  adamw: () => steps(AdamW, { lr: 1e-3 }),
  // The formula of the program that goes with the paper, as the peers compute it.
  auon: () => steps(AuON, { variant: 'head' }),
  'newton-schulz': () => {
    const out = like();
    return matrix((x) => ops.newtonSchulz(device, { x, out, coefficients }));
  },
  'layer-norm': () => {
    const [out, weight, bias] = [like(), Tensor.full(device, [shape[1]], 1), Tensor.zeros(device, [shape[1]])];
    return matrix((x) => ops.layerNorm(device, { x, weight, bias, out }));
  },
  gelu: () => {
    const out = like();
    return matrix((x) => ops.gelu(device, { x, out }));
  },
  softmax: () => {
    const out = like();
    return matrix((x) => ops.rowSoftmax(device, { x, out }));
  },
  transpose: () => {
    const out = like();
    return matrix((x) => ops.transpose(device, { x, out }));
  },
  'column-sum': () => {
    const out = new Tensor(device, [shape[1]]);
    return matrix((x) => ops.columnSum(device, { x, out }));
  },
  'training-step': () => {
    const network = new Mlp(device, shape, { seed: 1 });
    // The same work as with any rate, and every round works on the same numbers.
    const optimizer = new AdamW([...network.weights, ...network.biases], { lr: 0 });
    const buffers = network.buffers(batch);
    const images = new Tensor(device, [batch, shape[0]]);
    ops.random(device, { x: [images], seed: 2, distribution: 'uniform' });
    const labels = Tensor.from(
      device,
      Int32Array.from({ length: batch }, (_, i) => i % 10),
      [batch],
    );
    const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
    return () => {
      network.forward(images, buffers);
      network.evaluate(labels, buffers, { loss });
      network.backward(images, labels, buffers);
      optimizer.step([...network.weightGrads, ...network.biasGrads]);
    };
  },
};

const queue = makers[name]();
await race('orthokit', 'this tree', name, async () => {
  queue();
  await device.synchronize();
});
process.exit(0);
