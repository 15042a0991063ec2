// Calls of networks: each makes its buffers, and gives them back.
import path from 'node:path';
import { data } from './bits.mjs';
import { checkCalls } from './calls.mjs';

/** The bits of what a call gives, which hold until it is disposed of. */
async function bitsOf(result, { Tensor }) {
  if (result instanceof Tensor) return result.read();
  const parts = result instanceof Map ? [...result.values()] : Object.values(result);
  const bits = [];
  for (const part of parts) bits.push(await bitsOf(part, { Tensor }));
  return bits;
}

export async function checkNetworks({ checker, device, folder, library }) {
  const { Tensor } = library;
  const nn = await import(path.join(folder, 'lib', 'nn', 'index.js'));
  const tensor = (shape, seed) => Tensor.from(device, Float64Array.from(data(shape, seed)), shape);
  const layer = (outputs, inputs, seed) => ({ weight: tensor([outputs, inputs], seed) });
  const model = { up: layer(8, 3, 21), down: layer(4, 8, 22) };
  const along = new Map(nn.parameters(model).map((one, i) => [one, tensor(one.shape, 23 + i)]));
  const x = tensor([5, 3], 25);
  const labels = Tensor.from(device, Int32Array.of(0, 3, 1, 2, -1), [5]);
  const logits = (m, input) => nn.linear(m.down, nn.gelu(nn.linear(m.up, input)));
  const loss = (m, input, target) => nn.crossEntropy(logits(m, input), target);
  const inside = nn.recompute((m, input) => nn.gelu(nn.linear(m.up, input)));
  const recomputed = (m, input, target) => nn.crossEntropy(nn.linear(m.down, inside(m, input)), target);
  const scoped = nn.scope((m, input) => [nn.relu(inside(m, input)), nn.linear(m.up, input)]);
  const dropped = (m, input, target) => nn.crossEntropy(nn.dropout(logits(m, input), { rate: 0.5 }), target);
  const used = (make, call) => async () => {
    const made = make();
    try {
      return await bitsOf(call(made), library);
    } finally {
      made.dispose();
    }
  };
  await checkCalls(
    { checker, library },
    {
      'nn.valueAndGrad': used(
        () => nn.valueAndGrad(loss),
        (call) => call(model, x, labels),
      ),
      'nn.valueAndGrad, two calls': used(
        () => nn.valueAndGrad(dropped, { seed: 1 }),
        (call) => {
          call(model, x, labels);
          return call.accumulate(model, x, labels);
        },
      ),
      'nn.valueAndGrad, per sample': used(
        () => nn.valueAndGrad(loss, { perSample: true }),
        (call) => call(model, x, labels),
      ),
      'nn.valueAndGrad, products of samples': used(
        () => nn.valueAndGrad(loss, { perSample: 'products' }),
        (call) => call(model, x, labels),
      ),
      'nn.scope': used(
        () => nn.forward(scoped),
        (call) => call(model, x),
      ),
      'nn.recompute': used(
        () => nn.valueAndGrad(recomputed),
        (call) => call(model, x, labels),
      ),
      'nn.forward': used(
        () => nn.forward(logits),
        (call) => call(model, x),
      ),
      'nn.jvp': used(
        () => nn.jvp(logits),
        (call) => call(model, along, x),
      ),
      'nn.gaussNewton': used(
        () => nn.gaussNewton(loss),
        (call) => call(model, along, x, labels),
      ),
      'nn.hvp': used(
        () => nn.hvp(loss),
        (call) => call(model, along, x, labels),
      ),
    },
    [...nn.parameters(model), ...along.values(), x, labels],
  );
  for (const one of [...nn.parameters(model), ...along.values(), x, labels]) one.dispose();
}
