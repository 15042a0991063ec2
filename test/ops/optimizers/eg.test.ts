// Devices: cpu, cuda
// Source: closed form "a weight is multiplied by e once a step of exponent 1"
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { eg } from '../../reference/eg.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const sgd: Method = { op: 'eg', reference: each(eg), options: { lr: 0.1, shrink: 0.3 }, states: {} };
const momentum: Method = {
  ...{ ...sgd, options: { lr: 0.1, momentum: 0.9, nesterov: 'on' } },
  ...{ states: { momenta: 'like' }, counts: true },
};
const adamw: Method = {
  ...{ ...sgd, options: { lr: 0.01, variant: 'adamw', eps: 1e-8 } },
  ...{ states: { momenta: 'like', roots: 'like' }, counts: true },
};
describeStep(momentum);
describeStep(adamw);

describe.each(devices)('eg on %s', (kind) => {
  const step = async (device: Device, weights: number[], grads: number[], options: object) => {
    const fields = {
      weights: [tensorOf(device, weights)],
      grads: [tensorOf(device, grads)],
      statistics: Tensor.zeros(device, [1, 3], { dtype: 'f64' }),
    };
    ops.eg(device, { ...fields, lr: 1, ...options });
    return { weights: [...(await valuesOf(fields.weights[0]!))], statistics: await fields.statistics.read() };
  };

  it('a weight is multiplied by e once a step of exponent 1', async () => {
    const device = Device.open(kind);
    const { weights, statistics } = await step(device, [1, -1, 2, -2, 0, -0], [-1, 1, 1, -1, 7, 7], {});
    const expected = [Math.E, -Math.E, 2 / Math.E, -2 / Math.E, 0, -0];
    for (const [i, w] of weights.entries()) expect(w).toBeCloseTo(expected[i]!, 6);
    expect(weights.slice(4)).toEqual([0, -0]);
    const moved = 2 * (Math.E - 1) ** 2 + 2 * (2 - 2 / Math.E) ** 2;
    expect(statistics[1]).toBeCloseTo(moved, 5);
    expect(statistics[2]).toBe(0);
    await device.close();
  });

  it('cuts exponents to 30, and counts them', async () => {
    const device = Device.open(kind);
    const { weights, statistics } = await step(device, [1, 1, 1, 1], [31, 1e30, -Infinity, 30], {});
    const expected = [Math.exp(-30), Math.exp(-30), Math.exp(30), Math.exp(-30)];
    for (const [i, w] of weights.entries()) expect(w / expected[i]!).toBeCloseTo(1, 5);
    expect(statistics[2]).toBe(3);
    await device.close();
  });

  it('leaves the range of f32 with no weight, but where it was outside', async () => {
    const device = Device.open(kind);
    const most = Math.fround(3.4028234663852886e38);
    const { weights } = await step(
      device,
      [1e30, -1e-40, 1e-44, -3e38],
      [-30, 30, 30, -30].map((g, i) => (i % 2 ? -g : g)).map((g) => g),
      {},
    );
    expect(weights.map(Math.sign)).toEqual([1, -1, 1, -1]);
    expect(weights[0]).toBe(most);
    expect(weights[2]).toBe(2 ** -149);
    const wide = {
      weights: [tensorOf(device, [1e300, -1e-300], [2], 'f64')],
      grads: [tensorOf(device, [-30, 30], [2], 'f64')],
    };
    ops.eg(device, { ...wide, lr: 1 });
    expect([...(await wide.weights[0]!.read())]).toEqual(
      [1e300, -1e-300 * Math.exp(30)].map((x) => expect.closeTo(x, 300)),
    );
    await device.close();
  });

  it('a NaN gradient makes its weight NaN, and a weight of 0 stays', async () => {
    const device = Device.open(kind);
    const { weights } = await step(device, [1, 0, 2], [Number.NaN, Number.NaN, 0], {});
    expect(weights).toEqual([Number.NaN, 0, 2]);
    await device.close();
  });

  it('refuses state of the other variant, momentum without it, and decay that leaves nothing', () => {
    const device = Device.open(kind);
    const [w] = [Tensor.full(device, [3], 1)];
    const fields = { weights: [w!], grads: [w!.copy()], lr: 0.5 };
    const thrown = (more: object) => thrownBy(() => ops.eg(device, { ...fields, ...more } as never));
    const state = [w!.copy()];
    const steps = [Tensor.zeros(device, [1], { dtype: 'i32' })];
    expect(thrown({ roots: state }).message).toContain('eg: roots must be left out for variant sgd, got 1');
    expect(thrown({ momentum: 0.5 }).message).toContain('eg: momenta are missing for momentum, got 0.5');
    expect(thrown({ steps }).message).toContain('eg: momenta are missing for steps');
    expect(thrown({ nesterov: 'on' }).message).toContain('eg: momenta are missing for nesterov');
    expect(thrown({ variant: 'adamw', momenta: state, steps }).code).toBe('ERR_ARGUMENT');
    expect(thrown({ shrink: Infinity }).message).toContain('eg: shrink must be finite, got inf');
    expect(thrown({ momentum: 1 }).message).toContain('eg: momentum must be in [0, 1), got 1');
    expect(thrown({ beta2: 1 }).message).toContain('eg: beta2 must be in [0, 1), got 1');
    expect(thrown({ eps: -1 }).message).toContain('eg: eps must not be negative, got -1');
    for (const weightDecayMode of ['decoupled', 'cautious'] as const)
      expect(thrown({ weightDecay: 2, weightDecayMode }).message).toContain(
        'eg: weightDecay must leave a part of each weight, or signs would change, got 2',
      );
  });
});
