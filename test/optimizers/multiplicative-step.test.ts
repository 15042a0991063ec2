// Devices: cpu, cuda
// Values: the specification of the method: a thousand steps with the exact score of a point, in float64.
import { describe, expect, it } from 'vitest';
import { Device, multiplicativeStep, Tensor } from '../../lib/index.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';

describe.each(onlyCpu)('samplers on %s', (kind) => {
  it.each([
    ['dale', 1.51567348, 1.52870141],
    ['unconstrained', 1.51545193, 1.52916932],
  ] as const)('%s: from noise to the point', async (mode, first, second) => {
    const device = Device.open(kind);
    const [sigma, mu, levels] = [0.8, 0.32, 1000];
    const x = tensorOf(device, [0.7, 2.9], [2], 'f64');
    const score = tensorOf(device, [0, 0], [2], 'f64');
    const noise = tensorOf(device, [0, 0], [2], 'f64');
    for (let k = levels - 1; k >= 0; --k) {
      const t = (k + 1) / levels;
      const now = await x.read();
      score.write(Float64Array.from(now, (v) => (-1 - Math.log(v / 1.5) / (sigma ** 2 * t)) / v));
      noise.write(Float64Array.of(Math.sin(12.9898 * (k + 1)), Math.sin(12.9898 * (2 * k + 2))));
      multiplicativeStep(x, score, { delta: 1 / levels, sigma, mu, mode, noise });
    }
    const end = await x.read();
    expect(end[0]).toBeCloseTo(first, 7);
    expect(end[1]).toBeCloseTo(second, 7);
    await device.close();
  });
});

describe.each(devices)('multiplicativeStep on %s', (kind) => {
  it('keeps signs and zeros as `dale`, draws by the seed, and is exact without noise and score', async () => {
    const device = Device.open(kind);
    const start = [1, -2, 0, 1e-30, -1e30];
    const make = () => tensorOf(device, start);
    const score = tensorOf(device, [1, -1, 5, 2, 1e-30]);
    const stepped = async (options: object) => {
      const x = make();
      multiplicativeStep(x, score, options);
      return valuesOf(x);
    };
    const one = await stepped({ seed: 3 });
    expect([...one].map(Math.sign)).toEqual(start.map(Math.sign));
    expect(await stepped({ seed: 3 })).toEqual(one);
    expect(await stepped({ seed: 4 })).not.toEqual(one);
    const zeros = Tensor.zeros(device, [5]);
    for (const [mode, factor] of [
      ['dale', Math.exp(0.001 * 0.64)],
      ['unconstrained', 1 + 0.001 * 0.96],
    ] as const) {
      const x = make();
      multiplicativeStep(x, zeros, { anneal: 0, mode });
      for (const [i, v] of (await valuesOf(x)).entries())
        expect(Math.abs(v - start[i]! * factor)).toBeLessThanOrEqual(2e-7 * Math.abs(start[i]!));
    }
    await device.close();
  });

  it('keeps signs and zeros as `dale`, however large exponents are, and sizes within the range of f32', async () => {
    const device = Device.open(kind);
    const [least, largest] = [2 ** -149, 3.4028234663852886e38];
    const start = [1, -2, 0, least, -largest, 1e-30, -1e30];
    for (const dtype of ['f32', 'f64'] as const)
      for (const exponent of [1e30, 200, 80, -80, -200, -1e30]) {
        const x = tensorOf(device, start, [7], dtype);
        const noise = Tensor.full(device, [7], exponent, { dtype });
        const score = Tensor.zeros(device, [7], { dtype });
        for (let step = 0; step < 8; ++step) multiplicativeStep(x, score, { delta: 1, sigma: 1, anneal: 1, noise });
        for (const [i, v] of (await valuesOf(x)).entries()) {
          const expected = start[i] === 0 ? 0 : exponent > 0 ? largest : least;
          expect(Math.sign(v), `${exponent} of ${start[i]} in ${dtype}`).toBe(Math.sign(start[i]!));
          expect(Math.abs(v), `${exponent} of ${start[i]} in ${dtype}`).toBe(expected);
        }
      }
    // One step is cut to e^±30.
    const x = tensorOf(device, [1, -1], [2], 'f64');
    const score = tensorOf(device, [1e3, 1e3], [2], 'f64');
    multiplicativeStep(x, score, { delta: 1, sigma: 1, anneal: 0 });
    const [up, down] = await valuesOf(x);
    expect(Math.abs(up! / Math.exp(30) - 1)).toBeLessThan(1e-14);
    expect(Math.abs(down! / -Math.exp(-30) - 1)).toBeLessThan(1e-14);
    await device.close();
  });

  it('refuses what is not like x', () => {
    const device = Device.open(kind);
    const x = Tensor.zeros(device, [3]);
    const thrown = (score: Tensor, options: object = {}) => thrownBy(() => multiplicativeStep(x, score, options));
    expect(thrown(Tensor.zeros(device, [4])).code).toBe('ERR_SHAPE');
    expect(thrown(Tensor.zeros(device, [3], { dtype: 'f64' })).code).toBe('ERR_DTYPE');
    expect(thrown(x.copy(), { noise: Tensor.zeros(device, [1]) }).code).toBe('ERR_SHAPE');
    expect(thrown(x.copy(), { noise: x.copy(), seed: 1 }).message).toContain(
      'multiplicativeStep: seed must be left out where there is noise, got 1',
    );
    expect(thrown(x.copy(), { sigma: 0 }).code).toBe('ERR_ARGUMENT');
  });
});
