// Trains a GPT of letters on the CUDA device twice from the same weights, with steps as graphs and without, turn by turn:
// exit 1 where the bits differ, or where CUDA refuses a graph. Prints a line of JSON: milliseconds of a step that is
// awaited, least and median of both, and what became of graphs.
// usage: node scripts/gpu-check/step-graphs.mjs [steps] [width]
import { AdamW, Device, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from '../../examples/gpt/model.mjs';

const [steps = 60, width = 128] = process.argv.slice(2).map(Number);
const [letters, batch, context] = [82, 12, width / 2];
const numbers = (factor) => Int32Array.from({ length: batch * context }, (_, i) => (i * factor) % letters);

function training(graphs) {
  if (!graphs) process.env.ORTHOKIT_GRAPHS = '0';
  const device = Device.open('cuda');
  delete process.env.ORTHOKIT_GRAPHS;
  const model = new Gpt(nn.init(device, { seed: 1 }), { letters, width, heads: 4, blocks: 4, context });
  const [ids, next] = [37, 31].map((factor) => Tensor.from(device, numbers(factor), [batch, context]));
  const call = nn.valueAndGrad((gpt) => nn.crossEntropy(gpt.forward(ids), next));
  const optimizer = new AdamW(nn.parameters(model), { lr: 1e-3 });
  const times = [];
  const step = async () => {
    const start = performance.now();
    const { value, grads } = call(model);
    optimizer.step(grads);
    const [loss] = await value.read();
    times.push(performance.now() - start);
    return loss;
  };
  return { device, model, step, times };
}

const both = [training(true), training(false)];
let same = true;
for (let i = 0; i < steps; i += 1) {
  const losses = [];
  for (const { step } of both) losses.push(await step());
  same &&= Object.is(losses[0], losses[1]);
}
const bits = await Promise.all(
  both.map(async ({ model }) =>
    Buffer.concat(
      (await Promise.all(nn.parameters(model).map((tensor) => tensor.read()))).map((each) => Buffer.from(each.buffer)),
    ),
  ),
);
same &&= bits[0].equals(bits[1]);
const figures = ({ times }) => {
  const warm = times.slice(Math.min(5, times.length - 1)).sort((a, b) => a - b);
  return { least_ms: Number(warm[0].toFixed(3)), median_ms: Number(warm[warm.length >> 1].toFixed(3)) };
};
const { graphs, blas } = both[0].device.info;
console.log(
  JSON.stringify({
    what: 'step of a GPT',
    width,
    steps,
    blas,
    same_bits: same,
    graphs: figures(both[0]),
    launches: figures(both[1]),
    use: graphs,
  }),
);
for (const { device } of both) await device.close();
process.exitCode = same && graphs.launched > 0 && !graphs.refused ? 0 : 1;
