// Devices: cpu
// npm run experiment -- cities: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/cities/page.mjs';
import { run } from '../../scripts/experiments/cities/run.mjs';
import { quickly } from './quick.ts';

describe('the experiment of cities', () => {
  it('finds cities from distances, and with wrong ones sub-gradients are nearer than least squares', async () => {
    const { right, robust, squares } = await quickly(() => run({ revision: 1, size: 'quick', seed: 1 }));
    expect(right.median).toBeLessThan(10);
    expect(robust.median).toBeLessThan(squares.median / 2);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const found = (median: number) => ({ median, worst: 2 * median, points: [] });
    const made = (robust: number, squares: number) =>
      [1, 2, 3].map(() => ({ right: found(7), robust: found(robust), squares: found(squares) }));
    expect(judge(made(20, 2000))).toEqual({ map: 'seen', robust: 'seen' });
    expect(judge(made(20, 100))).toEqual({ map: 'seen', robust: 'not seen at this size' });
    expect(judge([...made(20, 2000), ...made(70, 2000)]).robust).toBe('in 3 of 6 cases only');
    const page = pageOf(made(20, 2000), '3 runs took 2 s');
    for (const text of ['7.0, 7.0, 7.0', '20, 20, 20', '2000, 2000, 2000', '*seen*']) expect(page).toContain(text);
  });
});
