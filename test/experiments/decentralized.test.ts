// Devices: cpu
// npm run experiment -- decentralized: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { experiment } from '../../scripts/experiments/decentralized/index.mjs';
import { judge, names, pageOf, promised, seeds } from '../../scripts/experiments/decentralized/page.mjs';
import { run, slopeOf } from '../../scripts/experiments/decentralized/run.mjs';
import { shownQuickly } from './quick.ts';

describe('the experiment of graphs', () => {
  it('measures the slope of a logarithm', () => {
    expect(slopeOf([0, 1, 2, 3, 4].map((t) => [t, 5 * Math.exp(-0.3 * t)]))).toBeCloseTo(-0.3, 12);
  });

  it('comes nearer to the solution, with gradients and communications counted', async () => {
    const { trace, rate } = await run({ revision: 1, size: 'quick', graph: 'ring', seed: 1 });
    expect(trace.at(-1)![1]).toBeLessThan(trace[0]![1]);
    expect(trace.at(-1)![3]).toBeGreaterThan(rate * 10);
  });

  it('makes all tiny runs in little time', { timeout: 60_000 }, async () => {
    const shown = await shownQuickly(experiment);
    for (const text of ['ring', 'grid', 'star', 'complete', 'tiny runs prove nothing']) expect(shown).toContain(text);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (slopes: number[]) =>
      names.flatMap((graph, i) => seeds.map((seed) => ({ graph, seed, chi1: 2, chi2: 3, rate: 4, slope: slopes[i]!, trace: [[1, 0.5, 8, 9], [2, 0.25, 16, 19]] }))); // biome-ignore format: one line
    expect(judge(made([-0.07, -0.071, -0.072, -0.073]))).toMatchObject({ fast: 'seen', alike: 'seen' });
    expect(judge(made([-0.07, -0.071, -0.072, -0.1]))).toMatchObject({ fast: 'seen', alike: 'refuted' });
    expect(judge(made([-0.01, -0.071, -0.072, -0.1])).fast).toBe('in 9 of 12 cases only');
    const page = pageOf(made([-0.07, -0.071, -0.072, -0.073]), 'runs took 2 s');
    for (const text of ['-0.0700, -0.0700', '2.5e-1', promised.toFixed(4), '*seen*']) expect(page).toContain(text);
  });
});
