// Devices: cpu, cuda
// Values: AdamW, whose step diffGrad takes by half where its friction is a half.
import { describe, expect, it } from 'vitest';
import { AdamW, Device, DiffGrad, type Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { tensor } from './classes.ts';

describe.each(devices)('DiffGrad on %s', (kind) => {
  const pair = (device: Device, shape: number[], options: object) => {
    const weights = [0, 1].map(() => tensor(device, shape, 5));
    const own = new DiffGrad([weights[0]!], { lr: 0.02, eps: 0, ...options });
    const adam = new AdamW([weights[1]!], { lr: 0.01, eps: 0, weightDecay: 0 });
    return { weights, own, adam };
  };
  const distance = async ([a, b]: Tensor[]) => {
    const [x, y] = [await a!.read(), await b!.read()];
    return Math.max(...Array.from(x, (value, i) => Math.abs(value - y[i]!)));
  };

  it.each([[[1, 1]], [[1, 7]], [[33, 5]]])('v1Bug is Adam at half the rate: %j', async (shape) => {
    const device = Device.open(kind);
    const { weights, own, adam } = pair(device, shape, { v1Bug: true });
    for (let at = 1; at < 4; ++at) {
      const grads = [tensor(device, shape, at, 10)];
      own.step(grads);
      adam.step(grads);
    }
    expect(await distance(weights)).toBeLessThan(1e-6);
    const size = shape[0]! * shape[1]!;
    expect(own.stateBytes).toBe(8 * size + 4);
    expect(new DiffGrad([weights[0]!]).stateBytes).toBe(12 * size + 4);
    await device.close();
  });

  it('is Adam at half the rate for changes too small to see, and at the whole rate for large ones', async () => {
    const device = Device.open(kind);
    for (const [scale, rate] of [
      [1e-30, 0.02],
      [1e30, 0.01],
    ] as const) {
      const { weights, own, adam } = pair(device, [17, 3], { lr: rate });
      for (let at = 1; at < 4; ++at) {
        const grads = [tensor(device, [17, 3], at, scale)];
        own.step(grads);
        adam.step(grads);
      }
      expect(await distance(weights)).toBeLessThan(1e-6);
    }
    await device.close();
  });
});
