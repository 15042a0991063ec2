// Devices: cpu
// npm run experiment -- retrieval: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/retrieval/page.mjs';
import { run } from '../../scripts/experiments/retrieval/run.mjs';

describe('the experiment of retrieval', () => {
  it('finds signs by another font, and the same ones when rows are rounded', async () => {
    const { signs, first, five, same } = await run({ revision: 1, size: 'quick', from: 'sans', to: 'serif' });
    expect(signs.length).toBe(90);
    expect(first).toBeGreaterThan(0.5);
    expect(five).toBeGreaterThan(first);
    for (const share of same) expect(share).toBeGreaterThan(0.95);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (first: number, same = [1, 0.998]) => ({
      from: 'sans',
      to: 'serif',
      signs: [65, 66],
      first,
      five: 0.876,
      same,
    });
    expect(judge([made(0.6)])).toEqual({ found: 'seen', rounded: 'seen' });
    expect(judge([made(0.4, [1, 0.5])])).toEqual({ found: 'not seen at this size', rounded: 'not seen at this size' });
    expect(judge([made(0.6), made(0.4)]).found).toBe('in 1 of 2 cases only');
    const page = pageOf([made(0.654)], 'runs took 2 s');
    for (const text of ['DejaVuSans in DejaVuSerif', '65.4 %', '87.6 %', '99.8 %', '*seen*'])
      expect(page).toContain(text);
  });
});
