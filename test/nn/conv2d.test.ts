// Devices: cpu, cuda
// nn.conv2d beside the operation: options, gradients of samples, refusals.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { drawn } from '../support/convolutions.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { thrownBy } from '../support/tensors.ts';

describe.each(devices)('nn.conv2d on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const layer = (channels: number) => ({
    weight: drawn(device, [17, 3, 3, channels], 1, 'f32'),
    bias: drawn(device, [17], 2, 'f32'),
  });

  it.each([
    ['nothing', {}, {}, [4, 5]],
    ["padding 'same'", { padding: 'same' }, { padding: [1] }, [6, 7]],
    ["padding 'same', dilated", { padding: 'same', dilation: 2 }, { padding: [2], dilation: [2] }, [6, 7]],
    ['stride and padding', { stride: 2, padding: 2 }, { stride: [2], padding: [2] }, [4, 5]],
  ] as const)('is the operation with %s', async (_, options, moves, places) => {
    const [model, x] = [layer(16), drawn(device, [3, 6, 7, 16], 3, 'f32')];
    using run = nn.forward((m: typeof model, images: Tensor) => nn.conv2d(m, images, options));
    const out = Tensor.zeros(device, [3, ...places, 17]);
    ops.conv2d(device, { x, kernel: model.weight, bias: model.bias, out, ...moves });
    const y = run(model, x);
    expect(y.shape).toEqual(out.shape);
    expect(await y.read()).toEqual(await out.read());
  });

  it.each([3, 16])('gives each sample the gradient that it has alone, of %i channels', async (channels) => {
    const [model, x] = [layer(channels), drawn(device, [3, 6, 7, channels], 3, 'f32')];
    const loss = (m: nn.Traced<typeof model>, images: Tensor) =>
      nn.sum(nn.gelu(nn.conv2d(m, images, { padding: 'same' })));
    using samples = nn.valueAndGrad(loss, { perSample: true });
    using alone = nn.valueAndGrad(loss);
    const grads = samples(model, x).grads;
    for (let n = 0; n < 3; ++n) {
      const one = alone(model, x.rows(n, n + 1)).grads;
      for (const parameter of Object.values(model)) {
        const all = await grads.get(parameter)!.read();
        expect(all.slice(n * parameter.size, (n + 1) * parameter.size)).toEqual(await one.get(parameter)!.read());
      }
    }
  });
});

describe.each(onlyCpu)('nn.conv2d', () => {
  it('refuses options that are none, and what does not fit', async () => {
    const device = Device.open('cpu');
    const x = Tensor.zeros(device, [1, 5, 5, 2]);
    const refusal = (size: number, options: nn.Conv2dOptions, images = x) => {
      const weight = Tensor.zeros(device, [3, size, size, 2]);
      using run = nn.forward((m: { weight: Tensor }, y: Tensor) => nn.conv2d(m, y, options));
      return thrownBy(() => run({ weight }, images));
    };
    const must = 'be a number but at stride 1 for kernels of odd reach';
    expect(refusal(2, { padding: 'same' })).toEqual({
      code: 'ERR_ARGUMENT',
      message: `nn.conv2d: padding must ${must}, got 'same'`,
    });
    expect(refusal(3, { padding: 'same', stride: 2 }).message).toBe(`nn.conv2d: padding must ${must}, got 'same'`);
    expect(refusal(3, { padding: -1 })).toEqual({
      code: 'ERR_ARGUMENT',
      message: "nn.conv2d: padding must be a whole number from 0 on, or 'same', got -1",
    });
    expect(refusal(3, { stride: 0 }).message).toBe('nn.conv2d: stride must be a whole number from 1 on, got 0');
    expect(refusal(7, {})).toMatchObject({
      code: 'ERR_SHAPE',
      message: expect.stringContaining(
        'kernel must fit into x and its padding, got f32[3, 7, 7, 2] for x f32[1, 5, 5, 2]',
      ),
    });
    expect(refusal(3, { groups: 2 }).message).toContain("kernel must have x's channels / groups");
    expect(refusal(3, {}, Tensor.zeros(device, [5, 2])).message).toContain(
      'x must be images [N, H, W, C], got f32[5, 2]',
    );
    await device.close();
  });
});
