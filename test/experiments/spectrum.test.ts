// Devices: cpu
// npm run experiment -- spectrum: its spectra against known ones, tiny runs, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { above, spectrum } from '../../scripts/experiments/spectrum/density.mjs';
import { batches, rates } from '../../scripts/experiments/spectrum/edge.mjs';
import { judge, pageOf } from '../../scripts/experiments/spectrum/page.mjs';
import { grid, networks, run, safeties } from '../../scripts/experiments/spectrum/run.mjs';

describe('the experiment of spectra', () => {
  it('counts eigenvalues of a diagonal matrix', async () => {
    const device = Device.open('cpu');
    const values = Float64Array.from({ length: 200 }, (_, i) => (i < 5 ? 10 + i : 1));
    const scale = Tensor.from(device, values, [200]);
    const operator = {
      ...{ device, dtype: 'f64' as const, shape: [200, 200] as const },
      apply: (x: Tensor, out: Tensor) => ops.multiply(device, { x: [x], y: [scale], out: [out] }),
    };
    const found = await spectrum(operator, { probes: 8, steps: 6, seed: 1 });
    await device.close();
    expect(Math.abs(found.largest - 14)).toBeLessThan(1e-9);
    // Of ±1 a diagonal matrix has the same trace whatever the signs.
    expect(Math.abs(found.trace - values.reduce((sum, x) => sum + x, 0))).toBeLessThan(1e-9);
    expect(Math.abs(above(found.values, 5) - 5)).toBeLessThan(1e-9);
  });

  it('comes down, and tells curvature and spectra', async () => {
    const common = { revision: 1, size: 'quick' as const, seed: 1 };
    const { curve } = (await run({ ...common, part: 'edge', rate: 0.05, batch: 0 })) as { curve: { loss: number; trace: number; largest: number }[] }; // biome-ignore format: one line
    expect(curve.at(-1)!.loss).toBeLessThan(curve[0]!.loss);
    expect(curve.at(-1)!.trace).toBeGreaterThan(curve.at(-1)!.largest);
    const { spectra, rates: learnt } = (await run({ ...common, part: 'train', network: 'mlp', rate: null, safety: 0.5 })) as { spectra: { largest: number }[]; rates: number[] }; // biome-ignore format: one line
    expect(spectra).toHaveLength(2);
    for (const { largest } of spectra) expect(largest).toBeGreaterThan(0);
    for (const rate of learnt) expect(rate).toBeGreaterThan(0);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (share: number, trace: number, loss: number) => {
      const edge = rates.flatMap((rate) =>
        batches.map((batch) => ({
          ...{ part: 'edge', seed: 1, rate, batch },
          curve: [{ step: 9, loss: 0.01, largest: (share * 2) / rate, trace: ((batch === 1 ? trace : 3) * 2) / rate }],
        })),
      );
      const spectra = [{ step: 0, largest: 10, trace: 50, values: [[10, 3], [0.1, 9000]] }]; // biome-ignore format: one line
      const common = { part: 'train', seed: 1, parameters: 9000, rates: [0.1], spectra: [] };
      const train = networks.flatMap((network) => [
        ...grid.map((rate) => ({ ...common, network, rate, safety: null, test: 1 + rate })),
        ...safeties.map((safety) => ({ ...common, network, rate: null, safety, test: loss, ...(safety === safeties[0] && { spectra }) })),
      ]); // biome-ignore format: one line each
      return [...edge, ...train];
    };
    const good = made(1.01, 0.8, 1.1);
    expect(judge(good)).toEqual({ outliers: 'seen', edge: 'seen', flatter: 'seen', rate: 'seen' });
    expect(judge(made(0.7, 1.2, 1.3))).toMatchObject({
      ...{ edge: 'not seen at this size', flatter: 'refuted', rate: 'not seen at this size' },
    });
    const page = pageOf(good, 'runs took 2 s');
    for (const text of ['| 1.01 | 3.00 |', '1.05 at 0.05, an end of the grid', '*seen*']) expect(page).toContain(text);
  });
});
