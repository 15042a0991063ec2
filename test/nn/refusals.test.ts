// Devices: cpu
// Functions of orthokit/nn refuse by its name an argument that is no tensor, value, layer or list.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { onlyCpu } from '../support/devices.ts';
import { thrownBy } from '../support/tensors.ts';

describe.each(onlyCpu)('functions of orthokit/nn on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const model = { w: Tensor.zeros(device, [4, 4]) };
  const vector = Tensor.zeros(device, [4]);
  const index = Tensor.zeros(device, [4], { dtype: 'i32' });
  const errorOf = (call: (w: nn.Arg) => unknown) => {
    using step = nn.valueAndGrad((m: nn.Traced<typeof model>) => call(m.w) as nn.Value);
    return thrownBy(() => step(model));
  };

  const operands: readonly [string, string, (bad: never, w: nn.Arg) => unknown][] = [
    ['add', 'x', (bad, w) => nn.add(bad, w)],
    ['add', 'y', (bad, w) => nn.add(w, bad)],
    ['subtract', 'y', (bad, w) => nn.subtract(w, bad)],
    ['multiply', 'x', (bad, w) => nn.multiply(bad, w)],
    ['addRows', 'rows', (bad, w) => nn.addRows(w, bad)],
    ['gelu', 'x', (bad) => nn.gelu(bad)],
    ['relu', 'x', (bad) => nn.relu(bad)],
    ['map', 'x', (bad) => nn.map(bad, 'tanh')],
    ['softmax', 'x', (bad) => nn.softmax(bad)],
    ['rope', 'x', (bad) => nn.rope(bad, { heads: 1 })],
    ['dropout', 'x', (bad) => nn.dropout(bad, { rate: 0.5 })],
    ['sample', 'logits', (bad) => nn.sample(bad, { seed: 1, position: 0 })],
    ['reshape', 'x', (bad) => nn.reshape(bad, [16])],
    ['cast', 'x', (bad) => nn.cast(bad, 'f64')],
    ['detach', 'x', (bad) => nn.detach(bad)],
    ['slice', 'x', (bad) => nn.slice(bad, 0, 0, 1)],
    ['concat', 'xs\\[1\\]', (bad, w) => nn.concat([w, bad], 0)],
    ['pool2d', 'x', (bad) => nn.pool2d(bad, { kind: 'max', size: 1 })],
    ['matmul', 'a', (bad, w) => nn.matmul(bad, w)],
    ['matmul', 'b', (bad, w) => nn.matmul(w, bad)],
    ['linear', 'x', (bad, w) => nn.linear({ weight: w }, bad)],
    ['linear', 'weight', (bad, w) => nn.linear({ weight: bad }, w)],
    ['conv2d', 'x', (bad, w) => nn.conv2d({ weight: w }, bad)],
    ['conv2d', 'weight', (bad, w) => nn.conv2d({ weight: bad }, w)],
    ['layerNorm', 'x', (bad) => nn.layerNorm({ weight: vector }, bad)],
    ['layerNorm', 'weight', (bad, w) => nn.layerNorm({ weight: bad }, w)],
    ['rmsNorm', 'weight', (bad, w) => nn.rmsNorm({ weight: bad }, w)],
    ['batchNorm', 'bias', (bad, w) => nn.batchNorm({ weight: w, bias: bad, mean: vector, variance: vector }, w)],
    ['embedding', 'weight', (bad) => nn.embedding({ weight: bad }, index)],
    ['embedding', 'index', (bad, w) => nn.embedding({ weight: w }, bad)],
    ['sum', 'x', (bad) => nn.sum(bad)],
    ['mean', 'x', (bad) => nn.mean(bad)],
    ['crossEntropy', 'logits', (bad) => nn.crossEntropy(bad, index)],
    ['crossEntropy', 'labels', (bad, w) => nn.crossEntropy(w, bad)],
    ['squaredError', 'y', (bad, w) => nn.squaredError(w, bad)],
    ['binaryCrossEntropy', 'targets', (bad, w) => nn.binaryCrossEntropy(w, bad)],
  ];
  it.each(operands)('nn.%s refuses an %s that is no operand', (name, operand, call) => {
    for (const bad of [undefined, null, 3, 'text', {}, []]) {
      const { code, message } = errorOf((w) => call(bad as never, w));
      expect(code).toBe('ERR_ARGUMENT');
      expect(message).toMatch(new RegExp(`^nn\\.${name}: ${operand} must be a tensor or a value, got `));
    }
  });

  const layers: readonly [string, (bad: never, w: nn.Arg) => unknown][] = [
    ['linear', (bad, w) => nn.linear(bad, w)],
    ['conv2d', (bad, w) => nn.conv2d(bad, w)],
    ['layerNorm', (bad, w) => nn.layerNorm(bad, w)],
    ['rmsNorm', (bad, w) => nn.rmsNorm(bad, w)],
    ['batchNorm', (bad, w) => nn.batchNorm(bad, w)],
    ['embedding', (bad) => nn.embedding(bad, index)],
    ['attention', (bad, w) => nn.attention(bad, w, { heads: 1 })],
  ];
  it.each(layers)('nn.%s refuses a layer that is no object', (name, call) => {
    for (const bad of [undefined, null, 3, 'text'])
      expect(errorOf((w) => call(bad as never, w))).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(new RegExp(`^nn\\.${name}: the layer must be an object, got `)),
      });
  });

  it.each([
    ['recompute: the first argument', nn.recompute],
    ['mapTensors: f', (f: never) => nn.mapTensors(model, f)],
    ['defineFunction: body', (f: never) => nn.defineFunction('mine', f)],
  ] as const)('nn.%s must be a function', (words, call) => {
    for (const bad of [undefined, 3, {}])
      expect(thrownBy(() => call(bad as never))).toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining(`nn.${words} must be a function, got `),
      });
  });

  it('nn.weighted refuses what is no list of factors and losses', () => {
    const message = (terms: unknown) => errorOf(() => nn.weighted(terms as never)).message;
    expect(message(undefined)).toBe('nn.weighted: terms must be a list, got undefined');
    expect(message([3])).toBe('nn.weighted: terms[0] must be a factor and a loss, got 3');
    expect(message([[1, 3]])).toBe('nn.weighted: terms[0] must be a loss, got 3');
  });
});
