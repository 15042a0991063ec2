// Devices: cpu
// npm run experiment -- bilevel: its oracle, a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { experiment } from '../../scripts/experiments/bilevel/index.mjs';
import { best, judge, pageOf, seeds } from '../../scripts/experiments/bilevel/page.mjs';
import { digitsOf, errorOfOracle, rates, run } from '../../scripts/experiments/bilevel/run.mjs';
import { shownQuickly } from './quick.ts';

describe('the experiment of wrong labels', () => {
  it('has an oracle whose derivatives fit its values', async () => {
    expect(await errorOfOracle()).toBeLessThan(1e-6);
  });

  it('has as many wrong labels as it says, all of them wrong', () => {
    const { noisy, right, isWrong } = digitsOf('quick', 1);
    expect(isWrong.reduce((sum, one) => sum + one, 0)).toBe(0.3 * noisy.count);
    for (const [i, one] of isWrong.entries()) expect(noisy.labels[i] !== right[i]).toBe(one === 1);
  });

  it('finds far more of them than chance', async () => {
    const { found, curve } = await run({ revision: 1, size: 'quick', seed: 1, way: 'normalized', rate: 1 });
    expect(found).toBeGreaterThan(0.5);
    expect(curve.map(([step]) => step)).toEqual([50, 100, 150]);
    expect(curve.at(-1)![1]).toBe(found);
    expect(curve.at(-1)![2]).toBeGreaterThan(curve[0]![2]);
  });

  it('makes all tiny runs in little time', { timeout: 60_000 }, async () => {
    const shown = await shownQuickly(experiment);
    for (const text of ['normalized', 'plain', 'finds: ', 'normalization: ', 'tiny runs prove nothing'])
      expect(shown).toContain(text);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (own: readonly number[], plain: readonly number[]) =>
      (['normalized', 'plain'] as const).flatMap(
        (way) =>
        rates[way].flatMap((rate, k) =>
          seeds.map((seed, i) => ({ seed, way, rate, found: (way === 'plain' ? plain : own)[i]! - (k === 1 ? 0 : 0.1), before: 0.6, after: 0.7, clean: 0.9, few: 0.5, curve: [[20, 0.4, 0.6], [40, 0.5, 0.7]] }))), // biome-ignore format: one line
      );
    const better = made([0.8, 0.85, 0.9], [0.5, 0.6, 0.7]);
    expect(best(better, 'plain').rate).toBe(rates.plain[1]);
    expect(judge(better)).toEqual({ finds: 'seen', helps: 'seen', normalization: 'better in every seed' });
    expect(judge(made([0.6, 0.85, 0.9], [0.7, 0.7, 0.7]))).toMatchObject({
      finds: 'in 2 of 3 cases only',
      normalization: 'no difference beyond the spread of seeds',
    });
    expect(judge(made([0.3, 0.3, 0.3], [0.7, 0.7, 0.7])).normalization).toBe('worse in every seed');
    const page = pageOf(better, '18 runs took 2 s');
    for (const text of ['80.0 %, 85.0 %, 90.0 %', '50.0 %, 60.0 %, 70.0 %', '*seen*', '*better in every seed*'])
      expect(page).toContain(text);
  });
});
