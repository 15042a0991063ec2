// Devices: cpu
// npm run experiment -- few-shot: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/few-shot/page.mjs';
import { classes, queries, run, ways } from '../../scripts/experiments/few-shot/run.mjs';

describe('the experiment of letters of fonts never seen', () => {
  it('labels letters that its network has not seen, better than chance', async () => {
    const { counts, found } = await run({ revision: 1, size: 'quick', seed: 1 });
    expect(counts.unseen).toBeGreaterThan(classes);
    expect(found.map(({ way }) => way)).toEqual(Object.keys(ways));
    for (const { right, labels } of found) {
      expect(right).toBeGreaterThan(1 / classes);
      expect(labels.length).toBe(3 * classes * queries);
    }
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (...rights: number[]) =>
      [1, 2, 3].map((seed) => ({
        seed,
        counts: { letters: 247, fonts: 9, unseen: 82, others: 12 },
        found: Object.keys(ways).map((way, i) => ({ way, lambda: 0.7, right: rights[i]!, interval: 0.012 })),
      }));
    const own = made(0.8, 0.81, 0.82, 0.85, 0.86, 0.84);
    expect(judge(own)).toEqual({ order: 'seen', graph: 'seen' });
    expect(judge(made(0.8, 0.81, 0.82, 0.81, 0.8, 0.84))).toEqual({
      order: 'not seen at this size',
      graph: 'not seen at this size',
    });
    expect(judge([...own, ...made(0.9, 0.81, 0.82, 0.85, 0.86, 0.84)]).order).toBe('in 3 of 6 cases only');
    const page = pageOf(own, '3 runs took 2 s');
    for (const text of ['82.0 % ± 1.2', '247 letters', '12 other fonts', '*seen*']) expect(page).toContain(text);
    expect(page).not.toMatch(/undefined|NaN/);
  });
});
