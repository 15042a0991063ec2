// Devices: cpu
// npm run experiment -- denoise: its parts, a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { Device } from '../../lib/index.ts';
import { judge, pageOf } from '../../scripts/experiments/denoise/page.mjs';
import { ofPatches } from '../../scripts/experiments/denoise/patches.mjs';
import { blurred, psnr, run } from '../../scripts/experiments/denoise/run.mjs';
import { totalVariation } from '../../scripts/experiments/denoise/total-variation.mjs';

const shape = { rows: 13, columns: 11 };
const picture = Float64Array.from({ length: 143 }, (_, i) => Math.sin(i * i) / 2);
const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);

describe('the experiment of photographs', () => {
  it('blurs symmetrically, and leaves means', () => {
    const other = picture.map((x) => Math.cos(7 * x));
    expect(Math.abs(dot(blurred(picture, shape), other) - dot(picture, blurred(other, shape)))).toBeLessThan(1e-12);
    for (const x of blurred(picture.map(() => 0.4), shape)) expect(Math.abs(x - 0.4)).toBeLessThan(1e-12);
  }); // biome-ignore format: short

  it('gives a picture back whose patches stay as they are', async () => {
    const device = Device.open('cpu');
    const same = await ofPatches(device, (patches) => patches.copy(), shape)(picture);
    await device.close();
    for (const [i, x] of same.entries()) expect(Math.abs(x - picture[i]!)).toBeLessThan(1e-6);
  });

  it('has the proximal operator of total variation', () => {
    // Of two numbers a and b it is a − λ and b + λ until they meet.
    const two = { rows: 1, columns: 2 };
    expect(totalVariation([1, 0], two, 0.2, 500).map((x) => Math.round(1e6 * x))).toEqual(Float64Array.of(8e5, 2e5));
    expect(totalVariation([1, 0], two, 2, 500).map((x) => Math.round(1e6 * x))).toEqual(Float64Array.of(5e5, 5e5));
    const [soft, rough] = [totalVariation(picture, shape, 0.2), picture];
    expect(soft.reduce((sum, x) => sum + x, 0)).toBeCloseTo(
      rough.reduce((sum, x) => sum + x, 0),
      9,
    );
  });

  it('takes noise away', async () => {
    const { decibels, prior } = await run({ size: 'quick', seed: 1 });
    expect(decibels.denoised).toBeGreaterThan(decibels.noisy!);
    expect(decibels.denoisedByTv).toBeGreaterThan(decibels.noisy!);
    for (const { status } of prior.curves) expect(status).toBe('converged');
    expect(psnr([0, 1], [0.1, 0.9])).toBeCloseTo(20, 9);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (denoised: number, deblurred: number, noise: number) => ({
      decibels: { noisy: 20, blurred: 22, denoised, denoisedByTv: 25, deblurred, deblurredByTv: 24 },
      best: { weights: 0.07, blurredWeights: 0.002, rhos: 0.04 },
      prior: {
        lengths: [0, 1],
        curves: [
          { kind: 'photograph', status: 'converged', values: [[0, 1], [0, 2]] },
          { kind: 'noise', status: 'converged', values: [[0, noise], [0, noise]] },
        ],
      },
    }); // biome-ignore format: pairs
    expect(judge([made(26, 23, 5)])).toEqual({ denoise: 'seen', deblur: 'refuted', prior: 'seen' });
    expect(judge([made(26, 23, 5), made(24, 23, 1)])).toMatchObject({
      denoise: 'in 1 of 2 cases only',
      prior: 'in 1 of 2 cases only',
    });
    const page = pageOf([made(26, 23, 5)], 'runs took 2 s');
    for (const text of ['| learnt | 26.00 |', '2.00 against 5.00', '*refuted*']) expect(page).toContain(text);
  });
});
