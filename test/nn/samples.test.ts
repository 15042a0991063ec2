// Devices: cpu, cuda
// Gradients of each sample are those of the loss of one sample at a time.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('gradients of samples on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const make = nn.init(device, { seed: 3, dtype: 'f64' });
  const model = {
    up: make.linear(7, 4, { deviation: 0.3 }),
    down: make.linear(4, 5, { deviation: 0.3 }),
    square: make.linear(7, 7, { deviation: 0.3 }),
    a: make.normal([2, 4], 0.3),
    b: make.normal([5, 2], 0.3),
    places: make.normal([3, 7], 0.3),
    norm: { weight: make.normal([7], 0.5), bias: make.normal([7], 0.5) },
    rms: { weight: make.normal([4], 0.5) },
  };
  type Model = nn.Traced<typeof model>;
  const x = Tensor.from(device, normal(6 * 3 * 7, 3), [6, 3, 7]);
  const some = Tensor.from(device, Int32Array.of(0, 1, 2, 3, -1, 0, -1, -1, -1, 4, -1, -1, 0, 0, 1, 2, 2, 2), [6, 3]);
  const hidden = (m: Model, input: nn.Arg) => nn.relu(nn.linear(m.up, input));
  const logits = (m: Model, input: nn.Arg) => nn.linear(m.down, hidden(m, input));
  const twice = (m: Model, input: nn.Arg) => nn.linear(m.square, nn.gelu(nn.linear(m.square, input)));

  it.each<[string, (m: Model, input: Tensor, target: Tensor) => nn.Value]>([
    ['sum', (m, input) => nn.sum(nn.gelu(logits(m, input)))],
    ['mean', (m, input) => nn.mean(nn.gelu(logits(m, input)))],
    ['squaredError', (m, input) => nn.squaredError(twice(m, input), input)],
    ['crossEntropy, where some do not count', (m, input, target) => nn.crossEntropy(logits(m, input), target)],
    ['rows that are added', (m, input, target) => nn.crossEntropy(nn.addRows(input, m.places), target)],
    ['normalizations', (m, input) => nn.mean(nn.gelu(nn.rmsNorm(m.rms, nn.linear(m.up, nn.layerNorm(m.norm, input)))))],
    [
      'an adapter',
      (m, input, target) =>
        nn.crossEntropy(nn.linear({ ...m.down, lora: { a: m.a, b: m.b, scale: 0.5 } }, hidden(m, input)), target),
    ],
    [
      'a head and its loss that run again',
      (m, input, target) =>
        nn.recompute((y: nn.Arg) => nn.crossEntropy(nn.linear(m.down, y), target))(hidden(m, input)),
    ],
    [
      'losses together',
      (m, input, target) => {
        const y = logits(m, input);
        return nn.weighted([
          [0.5, nn.crossEntropy(y, target)],
          [2, nn.sum(nn.softmax(y))],
          [-1, nn.mean(y)],
        ]);
      },
    ],
  ])('%s', async (_, loss) => {
    using each = nn.valueAndGrad(loss, { perSample: true });
    using one = nn.valueAndGrad(loss);
    const all = each(model, x, some).grads;
    expect(all.size).toBeGreaterThan(0);
    for (let i = 0; i < 6; ++i)
      for (const [parameter, gradient] of one(model, x.rows(i, i + 1), some.rows(i, i + 1)).grads) {
        const [of, alone] = await Promise.all([all.get(parameter)!.read(), gradient.read()]);
        for (const [j, value] of alone.entries()) expect(of[i * alone.length + j]!).toBeCloseTo(value as number, 13);
      }
  });

  it('are refused by name where they have no meaning', () => {
    const call = (loss: (m: Model, input: Tensor) => nn.Value, input = x) => {
      using step = nn.valueAndGrad(loss, { perSample: true });
      return () => step(model, input);
    };
    const product = (m: Model, input: Tensor) => {
      const y = nn.sum(nn.linear(m.up, input));
      return nn.multiply(y, y);
    };
    expect(call(product)).toThrow('nn.sum: perSample must meet a sum or a mean over samples, got another loss');
    const shuffled = (m: Model, input: Tensor) => nn.sum(nn.linear(m.up, nn.reshape(input, [9, 2, 7])));
    expect(call(shuffled)).toThrow(
      'nn.linear of up.weight: perSample: rows must be as many for each of 6 samples, got 9',
    );
    const whole = { rows: make.normal([6, 3, 7], 0.3) };
    using added = nn.valueAndGrad((m: nn.Traced<typeof whole>, input: Tensor) => nn.sum(nn.addRows(input, m.rows)), {
      perSample: true,
    });
    expect(() => added(whole, x)).toThrow(
      'nn.addRows of rows: perSample must meet rows that every one of 6 samples adds, got [6,3,7]',
    );
    using none = Tensor.zeros(device, [0, 3, 7], { dtype: 'f64' });
    expect(call((m, input) => nn.sum(nn.linear(m.up, input)), none)).toThrow(
      'an argument must be a tensor with samples, got [0,3,7]',
    );
  });
});
