// Devices: cpu
// npm run experiment -- retrieval: tiny runs, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/retrieval/page.mjs';
import { run } from '../../scripts/experiments/retrieval/run.mjs';

describe('the experiment of retrieval', () => {
  it.each([
    { kind: 'letters', from: 'sans', to: 'serif' },
    { kind: 'emoji', from: 'noto', to: 'fluent' },
  ] as const)('finds signs by another hand, and the same ones when rows are rounded: $kind', async (pair) => {
    const found = await run({ revision: 1, size: 'quick', ...pair });
    const { signs, first, five, same } = found as Exclude<typeof found, { count: number }>;
    expect(signs.length).toBeGreaterThan(85);
    expect(signs.length).toBeLessThanOrEqual(91);
    expect(first).toBeGreaterThan(0.5);
    expect(five).toBeGreaterThan(first);
    for (const share of same) expect(share).toBeGreaterThan(0.95);
  });

  it('finds words of a table that is made, as a comparison with all rows does, and their plurals', async () => {
    const found = await run({ revision: 1, size: 'quick', kind: 'words' });
    const { count, asked, same, inOrder, plurals, nearest } = found as Extract<typeof found, { count: number }>;
    expect([count, asked, inOrder, plurals]).toEqual([500, 48, true, 1]);
    expect(same[0]).toBe(1);
    for (const share of same) expect(share).toBeGreaterThan(0.98);
    expect(nearest.map(([first]) => first)).toContain('piano');
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const signs = { signs: [65, 66], five: 0.876 };
    const letters = (first: number, same = [1, 0.998]) => ({ kind: 'letters', from: 'sans', to: 'serif', first, same, ...signs });
    const emoji = (first: number, same = [1, 0.998]) => ({ kind: 'emoji', from: 'noto', to: 'fluent', first, same, ...signs });
    const words = (more: object = {}) => ({ kind: 'words', count: 350_000, asked: 48, same: [1, 1, 0.995], inOrder: true, plurals: 0.95, nearest: Array.from({ length: 8 }, () => ['near']), ...more });
    const all = { found: 'seen', emoji: 'seen', rounded: 'seen', words: 'seen', plurals: 'seen' };
    expect(judge([letters(0.6), emoji(0.6), words()])).toEqual(all);
    const none = 'not seen at this size';
    expect(judge([letters(0.4, [1, 0.5]), emoji(0.4, [1, 0.5]), words({ inOrder: false, plurals: 0.5 })])).toEqual({ found: none, emoji: none, rounded: none, words: none, plurals: none });
    expect(judge([words({ same: [1, 1, 0.98] })]).words).toBe(none);
    expect(judge([letters(0.6), letters(0.4)]).found).toBe('in 1 of 2 cases only');
    const page = pageOf([letters(0.654), emoji(0.543), words()], 'runs took 2 s');
    for (const text of ['DejaVuSans in DejaVuSerif', 'Noto (Google) in Fluent, flat (Microsoft)', '65.4 %', '54.3 %', '87.6 %', '99.8 %', '350,000 words', '99.5 %', '| piano | near |', '*seen*'])
      expect(page).toContain(text);
    expect(page).not.toMatch(/undefined|NaN/);
  }); // biome-ignore format: a line each
});
