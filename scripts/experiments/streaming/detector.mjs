// A small convolutional network: trained by `orthokit/nn` on recorded sequences, run by `orthokit/streaming` on endless ones.
import { AdamW, ops, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { continual } from 'orthokit/streaming';
import { recorded } from './signal.mjs';

/** @import { Device } from 'orthokit' */
/** @import { ContinualLayer } from 'orthokit/streaming' */

const [channels, taps] = [12, 9];
const shapes = [
  { outputs: channels, inputs: 1, dilation: 1 },
  { outputs: channels, inputs: channels, dilation: 2 },
  { outputs: channels, inputs: channels, dilation: 4 },
];
const padding = (/** @type {number} */ dilation) => (dilation * (taps - 1)) / 2;

/** @param {Device} device @param {number[]} shape @param {number} seed @param {number} deviation */
function drawn(device, shape, seed, deviation) {
  const x = Tensor.randn(device, shape, { seed });
  ops.linearCombination(device, { out: [x], terms: [x], coefficients: [deviation] });
  return x;
}

/** @param {Device} device @param {number} seed */
function weightsOf(device, seed) {
  const layers = shapes.map(({ outputs, inputs }, i) => ({
    weight: drawn(device, [outputs, taps, 1, inputs], seed + i, Math.sqrt(2 / (taps * inputs))),
    bias: Tensor.zeros(device, [outputs]),
  }));
  const head = { weight: drawn(device, [1, channels], seed + 9, 0.1), bias: Tensor.zeros(device, [1]) };
  return { layers, head };
}

/** @param {Device} device @param {{ streams: number, time: number, steps: number, seed: number }} options */
export async function train(device, { streams, time, steps, seed }) {
  const model = weightsOf(device, seed);
  const params = [...model.layers.flatMap(({ weight, bias }) => [weight, bias]), model.head.weight, model.head.bias];
  const optimizer = new AdamW(params, { lr: 3e-3 });
  const lossAndGrads = nn.valueAndGrad(
    (/** @type {typeof model} */ own, /** @type {Tensor} */ x, /** @type {Tensor} */ labels) => {
      /** @type {nn.Arg} */
      let y = x;
      for (const [i, layer] of own.layers.entries()) {
        const { dilation } = shapes[i];
        const z = nn.relu(nn.conv2d(layer, y, { padding: 'same', dilation }));
        y = i === 0 ? z : nn.add(y, z);
      }
      return nn.binaryCrossEntropy(nn.reshape(nn.linear(own.head, y), labels.shape), labels);
    },
  );
  let loss = Number.NaN;
  for (let step = 0; step < steps; ++step) {
    const { values, labels } = recorded(streams, time, 10_000 * seed + step);
    const x = Tensor.from(device, values, [streams, time, 1, 1]);
    const y = Tensor.from(device, labels, [streams, time]);
    const { value, grads } = lossAndGrads(model, x, y);
    optimizer.step(grads);
    if (step === steps - 1) [loss] = await value.read();
    await device.flow();
    for (const tensor of [x, y]) tensor.dispose();
  }
  optimizer.dispose();
  return { model, loss };
}

/** The same network for streams. @param {Awaited<ReturnType<typeof train>>['model']} model @returns {ContinualLayer} */
export function streamed({ layers, head }) {
  const { device } = head.weight;
  const convolutions = layers.map(({ weight, bias }, i) => {
    const [outputs, , , inputs] = weight.shape;
    const turned = new Tensor(device, [outputs, inputs, taps]);
    ops.rearrange(device, { x: weight, out: turned, axes: [0, 3, 1, 2] });
    const { dilation } = shapes[i];
    const layer = continual.sequential(
      continual.conv1d(turned, bias, { padding: padding(dilation), dilation }),
      continual.map('relu'),
    );
    turned.dispose();
    return i === 0 ? layer : continual.residual(layer);
  });
  return continual.sequential(...convolutions, continual.linear(head.weight, head.bias));
}
