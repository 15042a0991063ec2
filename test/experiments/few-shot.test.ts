// Devices: cpu
// npm run experiment -- few-shot: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { clusterings, matched } from '../../scripts/experiments/few-shot/digits.mjs';
import { judge, pageOf } from '../../scripts/experiments/few-shot/page.mjs';
import { classes, queries, run, ways } from '../../scripts/experiments/few-shot/run.mjs';

describe('the experiment of letters of fonts never seen', () => {
  it('labels letters that its network has not seen, better than chance', async () => {
    const { counts, found, digits } = await run({ revision: 1, size: 'quick', seed: 1 });
    expect(counts.unseen).toBeGreaterThan(classes);
    expect(found.map(({ way }) => way)).toEqual(Object.keys(ways));
    for (const { right, labels } of found) {
      expect(right).toBeGreaterThan(1 / classes);
      expect(labels.length).toBe(3 * classes * queries);
    }
    expect(digits.map(({ way }) => way)).toEqual(Object.keys(clusterings));
    for (const { right } of digits) expect(right).toBeGreaterThan(0.3);
  });

  it('gives each cluster the class that is best for all', () => {
    const classOf = Int32Array.from({ length: 50 }, (_, i) => i % 10);
    expect(matched(classOf.map((x) => (3 * x + 4) % 10), classOf)).toBe(1); // biome-ignore format: one line
    // A cluster of two classes has the larger one's, and one without rows that of the other.
    expect(matched(Int32Array.of(0, 0, 0, 0, 0), [1, 1, 1, 2, 2])).toBe(0.6);
    // The first cluster's own class is the second one's only one.
    expect(matched(Int32Array.of(0, 0, 0, 0, 0, 1, 1), [1, 1, 1, 2, 2, 1, 1])).toBe(4 / 7);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (...rights: number[]) =>
      [1, 2, 3].map((seed) => ({
        seed,
        counts: { letters: 247, fonts: 9, unseen: 82, others: 12 },
        found: Object.keys(ways).map((way, i) => ({ way, lambda: 0.7, right: rights[i]!, interval: 0.012 })),
        digits: Object.keys(clusterings).map((way, i) => ({ way, right: rights[i]! / 2 })),
      }));
    const own = made(0.8, 0.81, 0.82, 0.85, 0.86, 0.84);
    expect(judge(own)).toEqual({ order: 'seen', graph: 'seen', modes: 'seen' });
    expect(judge(made(0.8, 0.81, 0.8, 0.85, 0.86, 0.84)).modes).toBe('not seen at this size');
    expect(judge(made(0.8, 0.81, 0.82, 0.81, 0.8, 0.84))).toEqual({
      order: 'not seen at this size',
      graph: 'not seen at this size',
      modes: 'seen',
    });
    expect(judge([...own, ...made(0.9, 0.81, 0.82, 0.85, 0.86, 0.84)]).order).toBe('in 3 of 6 cases only');
    const page = pageOf(own, '3 runs took 2 s');
    for (const text of ['82.0 % ± 1.2', '41.0 %, 41.0 %, 41.0 %', '247 letters', '12 other fonts', '*seen*'])
      expect(page).toContain(text);
    expect(page).not.toMatch(/undefined|NaN/);
  });
});
