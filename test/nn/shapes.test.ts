// Devices: cpu
// Nothing is kept for a shape that is no longer seen, however many there were.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

describe.each(onlyCpu)('calls of many shapes on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const model = { weight: Tensor.full(device, [3], 1), bias: Tensor.zeros(device, [3]) };
  const layer = { weight: Tensor.full(device, [2, 3], 1), bias: Tensor.zeros(device, [2]) };
  const direction = new Map([[model.weight, Tensor.full(device, [3], 1)]]);

  it.each([
    ['a sum', nn.forward((_: typeof model, x: Tensor) => nn.sum(x))],
    ['a mean', nn.forward((_: typeof model, x: Tensor) => nn.mean(x))],
    [
      'a tangent of a layer norm',
      (
        (call) => (_: typeof model, x: Tensor) =>
          call(model, direction, x)
      )(nn.jvp((m: nn.Traced<typeof model>, x: Tensor) => nn.layerNorm(m, x))),
    ],
    [
      'gradients of each sample of a bias',
      (
        (call) => (_: typeof model, x: Tensor) =>
          call(layer, x)
      )(nn.valueAndGrad((l: nn.Traced<typeof layer>, x: Tensor) => nn.mean(nn.linear(l, x)), { perSample: true })),
    ],
  ])('%s keeps what the longest takes', async (_, call) => {
    const run = (length: number) => {
      using x = Tensor.zeros(device, [2, length, 3]);
      call(model, x);
    };
    const { bytes: before } = await settledMemory(device);
    run(2000);
    const longest = device.info.memory.bytes - before;
    for (let i = 0; i < 40; ++i) run(1000 + 25 * i);
    expect(device.info.memory.bytes - before).toBeLessThanOrEqual(2.5 * longest);
  });
});
