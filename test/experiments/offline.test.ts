// Devices: cpu
// npm run experiment -- offline: its parts in small, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { logged } from '../../scripts/experiments/offline/cart.mjs';
import { optimum } from '../../scripts/experiments/offline/grid.mjs';
import { experiment } from '../../scripts/experiments/offline/index.mjs';
import { best, compared, judge, pageOf, seeds } from '../../scripts/experiments/offline/page.mjs';
import { lambdas, modes, run, walked, ways } from '../../scripts/experiments/offline/run.mjs';
import { shownQuickly } from './quick.ts';

describe('the experiment of logged steps', () => {
  it('logs as many steps of each player, of which the good one falls the least', () => {
    const { steps, returns } = logged(1, 100);
    expect(steps).toHaveLength(300);
    expect(returns['good']).toBeGreaterThan(2 * returns['random']!);
    expect(returns['random']).toBeGreaterThan(returns['wrong']!);
    for (const { features, next, isOver } of steps) if (!isOver) expect(next).not.toEqual(features);
  });

  it.each(['grid', 'cart'] as const)('learns of the %s in small', async (part) => {
    const { result, cloning, kept } = (await run({ revision: 1, size: 'quick', part, mode: 'orthogonal', lambda: 0.5, seed: 1 })) as Record<string, number>; // biome-ignore format: one line
    expect(cloning).toBeGreaterThan(0);
    expect(result).toBeLessThanOrEqual(part === 'grid' ? optimum + 1e-9 : 200);
    expect(kept).toBeGreaterThan(0);
  });

  it('keeps some of the first task by a sum', async () => {
    const result = (await run({ revision: 1, size: 'quick', part: 'surgery', way: 'sum, surgery', seed: 1 })) as Record<string, number>; // biome-ignore format: one line
    expect(result['kept']).toBeGreaterThan(0.2);
  });

  it('makes all tiny runs in little time', { timeout: 60_000 }, async () => {
    const shown = await shownQuickly(experiment);
    for (const text of ['grid', 'cart', 'semi', 'sum, surgery', 'tiny runs prove nothing'])
      expect(shown).toContain(text);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = [
      ...(['grid', 'cart'] as const).flatMap((part) =>
        modes.flatMap(
          (mode, m) =>
          lambdas[part].flatMap((lambda, k) => seeds.map((seed) => ({ part, mode, lambda, seed, result: 0.38 - 0.1 * m - (k === 1 ? 0 : 0.01), cloning: 0.1, kept: 0.5, returns: { good: 200, random: 20, wrong: 9 } }))), // biome-ignore format: one line
        ),
      ),
      ...walked.flatMap(([mode, walk]) => seeds.map((seed) => ({ part: 'grid', mode, lambda: 0.5, walk, seed, result: 0.0125 * walk, kept: 0.5 }))), // biome-ignore format: one line
      ...ways.flatMap((way, w) => seeds.map((seed) => ({ part: 'surgery', way, seed, before: 0.9, kept: 0.2 * w, learned: 0.8 - 0.1 * w }))), // biome-ignore format: one line
    ];
    expect(best(made, 'grid', 'semi').lambda).toBe(lambdas.grid[1]);
    // The best policy is found but for rounding.
    expect(compared([1 + 1e-9, 1 + 1e-9], [1, 1])).toBe('better in 0 of 2');
    expect(compared([1 - 1e-9, 1 - 1e-9], [1, 1])).toBe('better in 0 of 2');
    expect([compared([2, 2], [1, 1]), compared([1, 1], [2, 2]), compared([1, 2], [1, 1])]).toEqual(['better in every seed', 'worse in every seed', 'better in 1 of 2']); // biome-ignore format: one line
    expect(judge(made)).toMatchObject({ keeps: 'seen', gentle: 'seen', grid: { learned: 'seen', whole: 'better in every seed' } }); // biome-ignore format: one line
    const page = pageOf(made, 'runs took 2 s');
    for (const text of [
      '0.380, 0.380',
      '| semi | 1 | 0.0125, ',
      '| orthogonal | 3 | 0.0375, ',
      '10.0 % of the new digits',
      '*seen*',
    ])
      expect(page).toContain(text);
  });
});
