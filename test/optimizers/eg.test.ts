// Devices: cpu, cuda
// Values: the specification of the method: three steps in float64, W₃[0,0], W₃[3,5] and the sum of all.
import { describe, expect, it } from 'vitest';
import { Device, EG, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { thrownBy } from '../support/tensors.ts';
import { numbers, tensor } from './classes.ts';

const at = (f: (i: number, j: number) => number): Float64Array =>
  Float64Array.from({ length: 24 }, (_, k) => f(Math.floor(k / 6), k % 6));

describe.each(devices)('EG on %s', (kind) => {
  it.each(['f64', 'f32'] as const)('makes the steps of the specification in %s', async (dtype) => {
    const device = Device.open(kind);
    const from = (data: Float64Array) => Tensor.from(device, dtype === 'f64' ? data : Float32Array.from(data), [4, 6]);
    const size = (i: number, j: number) => Math.abs(0.5 * Math.cos(0.9 * i + 0.4 * j + 0.2)) + 0.05;
    const w = from(at((i, j) => size(i, j) * ((i + j) % 3 === 0 ? -1 : 1)));
    const optimizer = new EG([w], { lr: 0.1 });
    for (let t = 0; t < 3; ++t)
      optimizer.step([from(at((i, j) => Math.sin(0.7 * (i + 1) * (t + 1) + 1.3 * (j + 1) + 0.1 * i * j)))]);
    const w3 = [...(await w.read())];
    const digits = dtype === 'f64' ? 9 : 5;
    expect(w3[0]).toBeCloseTo(-0.6016912285, digits);
    expect(w3[23]).toBeCloseTo(0.1527143809, digits);
    expect(w3.reduce((a, b) => a + b)).toBeCloseTo(2.4813203419, digits - 1);
    await device.close();
  });

  const settings = [{}, { momentum: 0.9 }, { momentum: 0.9, nesterov: true }, { variant: 'adamw' }] as const;
  it.each(settings)(
    "holds Dale's law: no sign changes, no weight becomes 0, whatever the gradients are: %j",
    async (options) => {
      const device = Device.open(kind);
      for (const scale of [1e-30, 1, 1e30])
        for (const dtype of ['f32', 'f64'] as const) {
          const weights = [[17, 3], [1, 1], [5]].map((shape, i) => tensor(device, shape, i, 1, dtype));
          const signs = await Promise.all(weights.map(async (w) => (await numbers(w)).map(Math.sign)));
          const optimizer = new EG(weights, { ...options, lr: 0.5, weightDecay: 0.1 });
          for (let step = 1; step <= 12; ++step)
            optimizer.step(weights.map((w, i) => tensor(device, w.shape, 20 * (step % 2) + i, scale, dtype)));
          for (const [i, w] of weights.entries()) {
            const now = await numbers(w);
            expect(now.map(Math.sign)).toEqual(signs[i]);
            expect(now.every(Number.isFinite)).toBe(true);
          }
          expect((await optimizer.report()).clamped! > 0).toBe(scale === 1e30 && !('variant' in options));
        }
      await device.close();
    },
  );

  it('shrink multiplies by exp(−lr·decay), and momentum collects it', async () => {
    const device = Device.open(kind);
    for (const [options, exponent] of [
      [{}, 3],
      [{ momentum: 0.5 }, 1 + 1.5 + 1.75],
    ] as const) {
      const w = Tensor.from(device, new Float64Array([1, -4]), [2]);
      const optimizer = new EG([w], { ...options, lr: 0.5, weightDecay: 0.2 });
      for (let t = 0; t < 3; ++t) optimizer.step([Tensor.zeros(device, [2], { dtype: 'f64' })]);
      const factor = Math.exp(-0.1 * exponent);
      for (const [i, x] of (await w.read()).entries()) expect(x).toBeCloseTo([1, -4][i]! * factor, 14);
    }
    await device.close();
  });

  it("refuses the other variant's options, and decay that takes all of a weight", () => {
    const device = Device.open(kind);
    const w = Tensor.full(device, [2, 2], 1);
    const thrown = (options: object) => thrownBy(() => new EG([w], options)).message;
    expect(thrown({ eps: 1e-8 })).toContain('EG group 0: eps must be left out for variant sgd, got 1e-8');
    expect(thrown({ betas: [0.9, 0.9] })).toContain('EG group 0: betas must be left out for variant sgd');
    expect(thrown({ variant: 'adamw', momentum: 0.9 })).toContain(
      'momentum must be left out for variant adamw, got 0.9',
    );
    expect(thrown({ weightDecay: 2, weightDecayMode: 'independent' })).toContain(
      'weightDecay must leave a part of each weight',
    );
    const optimizer = new EG([w], { weightDecay: 2, weightDecayMode: 'decoupled' });
    optimizer.groups[0]!.lr = 0.5;
    expect(() => optimizer.step([w.copy()])).toThrow('weightDecay must leave a part of each weight at lr 0.5');
  });

  it('state: none, a moment, or two', () => {
    const device = Device.open(kind);
    const bytes = (options: object) => new EG([Tensor.full(device, [7, 5], 1)], options).stateBytes;
    expect([bytes({}), bytes({ momentum: 0.5 }), bytes({ variant: 'adamw' })]).toEqual([0, 4 * 35 + 4, 8 * 35 + 4]);
  });
});
