// Devices: cpu, cuda
// Source: formula of DP-SGD (Abadi et al. 2016, Algorithm 1)
import { afterAll, describe, expect, it } from 'vitest';
import { dpClipAndNoise } from '../../lib/adapters/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { norm } from './matrices.ts';

describe.each(devices)('dpClipAndNoise on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    ['f64', 1e-15],
    ['f32', 1e-6],
  ] as const)('cuts each sample to the length clip, in %s', async (dtype, near) => {
    const [n, d, clip] = [5, 7, 2];
    const rows = Array.from({ length: n }, (_, i) => normal(d, 1 + i, [0.1, 1, 10, 0, 1e15][i]!));
    const data = Float64Array.from(rows.flatMap((row) => [...row]));
    const x = Tensor.from(device, dtype === 'f64' ? data : Float32Array.from(data), [n, d]);
    const out = await dpClipAndNoise(x, { clip, noiseMultiplier: 0, seed: 1 }).read();
    const expected = Array.from({ length: d }, (_, j) => {
      let total = 0;
      for (const row of rows) total += row[j]! * Math.min(1, clip / Math.max(norm({ data: row }), 1e-300));
      return total / n;
    });
    for (const [j, value] of expected.entries()) expect(Math.abs(out[j]! - value)).toBeLessThan(near);
  });

  it.each(['f64', 'f32'] as const)('multiplies by no more than clip over the length, in %s', async (dtype) => {
    let most = 0;
    for (let i = 0; i < 100; ++i) {
      // Of one element the product is that of the factor and a power of 2.
      const clip = 1 + i / 128;
      const x = Tensor.from(device, [4, 0], [1, 2], { dtype });
      const [length] = await dpClipAndNoise(x, { clip: clip / 3, noiseMultiplier: 0, seed: 1 }).read();
      most = Math.max(most, length! - clip / 3);
      const [whole] = await dpClipAndNoise(x, { clip: 4 + clip, noiseMultiplier: 0, seed: 1 }).read();
      expect(whole).toBe(4);
    }
    expect(most).toBeLessThanOrEqual(0);
  });

  it('adds noise of deviation clip · noiseMultiplier to the sum, another one for another seed', async () => {
    const [n, d] = [4, 1e5];
    const [clip, noiseMultiplier] = [2, 1.5];
    const draw = (size: number, seed: number) => {
      const x = Tensor.zeros(device, [n, size]);
      return dpClipAndNoise(x, { clip, noiseMultiplier, seed }).read();
    };
    const data = await draw(d, 1);
    const variance = (n * norm({ data })) ** 2 / d;
    expect(Math.abs(variance / (clip * noiseMultiplier) ** 2 - 1)).toBeLessThan(0.02);
    let mean = 0;
    for (const value of data) mean += (n * value) / d;
    expect(Math.abs(mean)).toBeLessThan((4 * clip * noiseMultiplier) / Math.sqrt(d));
    expect(await draw(8, 1)).toEqual(await draw(8, 1));
    expect(await draw(8, 2)).not.toEqual(await draw(8, 1));
  });

  it('does not hide a NaN', async () => {
    const x = Tensor.from(device, Float32Array.of(1, 2, NaN, 4), [2, 2]);
    const out = await dpClipAndNoise(x, { clip: 1, noiseMultiplier: 0, seed: 1 }).read();
    expect([...out]).toEqual([NaN, NaN]);
  });

  it('refuses options out of range, and what is left out', () => {
    const x = Tensor.zeros(device, [2, 2]);
    const good = { clip: 1, noiseMultiplier: 1, seed: 1 };
    for (const [name, values] of Object.entries({
      clip: [0, -1, NaN, Infinity, undefined],
      noiseMultiplier: [-1, NaN, Infinity, undefined],
      seed: [-1, 0.5, undefined],
    }))
      for (const value of values)
        expect(() => dpClipAndNoise(x, { ...good, [name]: value } as typeof good)).toThrow(
          `dpClipAndNoise: ${name} must`,
        );
  });
});
