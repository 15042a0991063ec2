// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Muon, SGD, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

describe.each(devices)('the share of lost updates on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const ones = (shape: number[], dtype: 'f16' | 'bf16' | 'f32') => Tensor.full(device, shape, 1, { dtype });
  const share = async (optimizer: { report(): Promise<{ lostUpdates?: number }> }) =>
    (await optimizer.report()).lostUpdates;

  it.each(['f16', 'bf16'] as const)('%s: all of them below half a unit, none above', async (dtype) => {
    const small = { f16: 2e-4, bf16: 6e-4 }[dtype];
    const weight = ones([768], dtype);
    const grad = Tensor.randn(device, [768], { seed: 1 });
    for (const [lr, lost] of [
      [small, 1],
      [0.01, 0],
    ] as const) {
      using optimizer = new AdamW([weight], { lr, weightDecay: 0 });
      expect(await share(optimizer)).toBeNaN();
      optimizer.step([grad]);
      expect(await share(optimizer)).toBe(lost);
    }
  });

  it('counts what has a gradient, of the weights that have one', async () => {
    const weights = [ones([4], 'bf16'), ones([12], 'bf16'), ones([5], 'bf16')];
    using optimizer = new SGD(weights, { lr: 1 });
    // Of four one is lost, one moves and two have no gradient; the twelve are lost; the five have no step.
    optimizer.step([Tensor.from(device, [1e-4, 0.5, 0, -0], [4]), Tensor.full(device, [12], 1e-3), null]);
    expect(await share(optimizer)).toBe(13 / 16);
  });

  it('is of the first step, and of each that follows a report', async () => {
    using optimizer = new SGD([ones([8], 'bf16')], { lr: 1 });
    const step = (size: number) => optimizer.step([Tensor.full(device, [8], size)]);
    step(0.5);
    step(1e-4);
    expect(await share(optimizer)).toBe(0);
    step(1e-4);
    step(0.5);
    expect(await share(optimizer)).toBe(1);
    expect(await share(optimizer)).toBe(1);
  });

  it('has nothing to say of masters, nor of weights in 32 bits', async () => {
    for (const masterWeights of ['fp32', 'split16'] as const) {
      using optimizer = new AdamW([ones([8], 'bf16')], { lr: 6e-4, masterWeights });
      optimizer.step([Tensor.full(device, [8], 1)]);
      expect(await optimizer.report()).not.toHaveProperty('lostUpdates');
    }
    using optimizer = new AdamW([ones([8], 'f32')]);
    expect(await optimizer.report()).not.toHaveProperty('lostUpdates');
  });

  it('is not a number where the step was held back', async () => {
    using optimizer = new SGD([ones([2], 'bf16')], { lr: 1, nonFinite: 'skip' });
    optimizer.step([Tensor.from(device, [NaN, 1], [2])]);
    expect(await share(optimizer)).toBeNaN();
    optimizer.step([Tensor.from(device, [0.5, 1], [2])]);
    expect(await share(optimizer)).toBe(0);
  });

  it('adds those of combined optimizers up, of blocks too', async () => {
    const matrix = ones([6, 4], 'bf16');
    const [vector, wide] = [ones([8], 'bf16'), ones([4], 'f32')];
    using optimizer = combine([
      { optimizer: Muon, params: [matrix], lr: 1e-6, split: { axis: 0, sizes: [2, 4] } },
      { optimizer: SGD, params: [vector], lr: 1 },
      { optimizer: AdamW, params: [wide] },
    ]);
    optimizer.step([Tensor.randn(device, [6, 4], { seed: 2 }), Tensor.full(device, [8], 0.5), null]);
    const { lostUpdates, parts } = await optimizer.report();
    expect(parts.map((part) => part.lostUpdates)).toEqual([1, 0, undefined]);
    expect(lostUpdates).toBe(24 / 32);
  });

  it('takes memory in a step that is counted, and gives it back', async () => {
    const weight = ones([1000], 'bf16');
    const grad = Tensor.full(device, [1000], 1);
    {
      using optimizer = new SGD([weight], { lr: 0.1 });
      optimizer.step([grad]);
      await optimizer.report();
      const { live, bytes } = await settledMemory(device);
      for (let i = 0; i < 3; ++i) {
        optimizer.step([grad]);
        await optimizer.report();
        expect(await settledMemory(device)).toMatchObject({ live, bytes });
      }
    }
    expect((await settledMemory(device)).live).toBe(2);
  });
});
