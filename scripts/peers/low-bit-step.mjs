// node scripts/peers/low-bit-step.mjs [width] [batch] [rounds]: the time of a step of QZO, two forwards and what comes besides, against
// that of a forward, and of a gradient with AdamW, for a GPT of 2 blocks with matrices of 4 bits in groups of 64 and windows of 32.
// Prints a line of JSON: milliseconds of a processor, the least of rounds in turn, and the step as a multiple of the forward.
import { AdamW, Device, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { QuantLinear, QZO } from 'orthokit/quantized';
import { Gpt } from '../../examples/gpt/model.mjs';

const [width = 64, batch = 8, rounds = 60] = process.argv.slice(2).map(Number);
const [letters, context, blocks] = [82, 32, 2];
const repeats = 3;
const device = Device.open('cpu', { threads: 1 });

/** Milliseconds of a processor that one of a few calls takes. @param {() => Promise<unknown>} call */
async function timed(call) {
  const { user, system } = process.cpuUsage();
  for (let i = 0; i < repeats; ++i) await call();
  const now = process.cpuUsage();
  return (now.user + now.system - user - system) / (1000 * repeats);
}

try {
  const model = new Gpt(nn.init(device, { seed: 1 }), { letters, width, heads: 4, blocks, context });
  const scales = [];
  for (const pattern of ['**.qkv', '**.out', '**.up', '**.down'])
    nn.replaceLayers(model, pattern, ({ weight, bias }) => {
      const layer = QuantLinear.quantize(weight, { group: 64, bias });
      scales.push(layer.scales);
      return layer;
    });
  for (const tensor of nn.parameters(model)) if (!scales.includes(tensor)) nn.buffer(tensor);
  const numbers = (factor) => Int32Array.from({ length: batch * context }, (_, i) => (i * factor) % letters);
  const [ids, next] = [37, 31].map((factor) => Tensor.from(device, numbers(factor), [batch, context]));
  const lossOf = (gpt) => nn.crossEntropy(gpt.forward(ids), next);
  const [forward, gradient] = [nn.forward(lossOf), nn.valueAndGrad(lossOf)];
  const [qzo, adamw] = [new QZO(scales, { lr: 1e-6 }), new AdamW(scales, { lr: 1e-6 })];
  let probe;
  const calls = {
    forward: () => forward(model).read(),
    qzo: () =>
      qzo.step((perturbed) => {
        probe ??= nn.mapTensors(model, (tensor) => perturbed[scales.indexOf(tensor)] ?? tensor);
        return forward(probe);
      }),
    gradient: () => {
      const { value, grads } = gradient(model);
      adamw.step(grads);
      return value.read();
    },
  };
  const best = Object.fromEntries(Object.keys(calls).map((name) => [name, Number.POSITIVE_INFINITY]));
  for (let i = 0; i < rounds; ++i)
    for (const [name, call] of Object.entries(calls)) best[name] = Math.min(best[name], await timed(call));
  const ms = Object.fromEntries(Object.entries(best).map(([name, value]) => [name, Number(value.toFixed(3))]));
  console.log(JSON.stringify({ width, batch, ms, forwards_of_a_step: Number((best.qzo / best.forward).toFixed(3)) }));
} finally {
  await device.close();
}
