// Devices: cpu
// npm run experiment -- merging: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { accuracies, judge, pageOf } from '../../scripts/experiments/merging/page.mjs';
import { run, sizes, type Trained } from '../../scripts/experiments/merging/run.mjs';
import { loadTexts, names } from '../../scripts/experiments/merging/texts.mjs';
import { opcm, waysOf } from '../../scripts/experiments/merging/ways.mjs';
import { quickly } from './quick.ts';

describe('the experiment of merging', () => {
  it('trains specialists of four texts, and merges them by every way and order', { timeout: 120_000 }, async () => {
    const { base, trained } = await quickly(() => run({ revision: 2, size: 'quick', seed: 1 }));
    const [{ specialists, merged }] = trained as [Trained];
    for (const [i, figures] of specialists.entries()) expect(figures[i]!.loss).toBeLessThan(base[i]!.loss);
    const chance = Math.log(loadTexts().letters);
    expect(merged.map(({ way }) => way)).toEqual(waysOf(2).map(({ way }) => way));
    for (const { order, figures } of merged) {
      expect([...order].sort()).toEqual([0, 1, 2, 3]);
      for (const { loss, accuracy } of figures) {
        expect(loss).toBeLessThan(chance);
        expect(accuracy).toBeGreaterThan(0);
      }
    }
    expect(new Set(merged.filter(({ way }) => way === opcm).map(({ order }) => order.join())).size).toBe(2);
  });

  it('has a page with all figures, and a verdict by its rule', () => {
    /** Runs as if they had been made: the accuracy of the mean is a half, and OPCM's so much more. */
    const made = (gain: number) =>
      [1, 2, 3].map((seed) => {
        const of = (accuracy: number) => names.map(() => ({ loss: 1, accuracy }));
        const merged = waysOf(2).map(({ way, options }) => {
          const order = (options.shuffle ?? 0) / 100;
          return { way, order: [0, 1, 2, 3], figures: of(way === opcm ? 0.5 * (1 + gain) + order : 0.5) };
        });
        const specialists = names.map(() => of(0.45));
        return { seed, base: of(0.4), trained: sizes.full.special.map((steps) => ({ steps, specialists, merged })) };
      });
    const [steps] = sizes.full.special as [number, number];
    expect(accuracies(made(0.1), opcm, steps)[0]).toEqual([expect.closeTo(0.55, 12), expect.closeTo(0.56, 12)]);
    expect(judge(made(0.06), steps).verdict).toBe('seen');
    expect(judge(made(0.02), steps).verdict).toBe('not seen at this size');
    expect(judge(made(-0.1), steps).verdict).toBe('refuted');
    const page = pageOf(made(0.06), '3 runs took 2 s');
    expect(page).toContain('\n\nIts 3 runs took 2 s of a busy machine.\n\n');
    expect(page).toContain('Found: +7.0 %, +7.0 %, +7.0 %. Between orders it differs by at most 1.0 % of letters.');
    expect(page).toContain('| average | 50.0 % | 50.0 % | 50.0 % | 50.0 % | 50.0 % | 1.000 |');
    expect(page).toContain('Of 9 ways to merge 9 are better than the base, which foretells 40.0 % of letters.');
    expect(page).toContain('scale 0.5 has 50.0 %, OPCM 53.5 %.');
    for (const length of sizes.full.special) expect(page).toContain(`## Specialists of ${length} steps`);
    expect(page).not.toMatch(/undefined|NaN/);
  });
});
