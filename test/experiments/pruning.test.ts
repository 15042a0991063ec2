// Devices: cpu
// npm run experiment -- pruning: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/pruning/page.mjs';
import { run, shares, ways } from '../../scripts/experiments/pruning/run.mjs';

describe('the experiment of pruning', () => {
  it('prunes a network that has learnt something, worst at random', async () => {
    const { before, pruned } = await run({ size: 'quick', seed: 1 });
    const right = (way: string) => pruned.find((one) => one.way === way && one.share === 0.5)!.right;
    expect(before).toBeGreaterThan(0.2);
    expect(right('mfac')).toBeGreaterThan(right('random'));
    expect(pruned).toHaveLength(ways.length * shares.length);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (own: number, magnitude: number) => ({
      ...{ dim: 9064, before: 0.95 },
      pruned: ways.flatMap((way) =>
        shares.map((share) => ({ way, share, right: way === 'mfac' ? own : way === 'magnitude' ? magnitude : 0.4 })),
      ),
    });
    const key = 'M-FAC better than magnitude at 75 %';
    expect(judge([made(0.9, 0.8), made(0.7, 0.6)])[key]).toBe('seen');
    expect(judge([made(0.9, 0.8), made(0.6, 0.7)])[key]).toBe('in 1 of 2 cases only');
    expect(judge([made(0.8, 0.9), made(0.6, 0.7)])[key]).toBe('refuted');
    const page = pageOf([made(0.9, 0.8), made(0.7, 0.6)], '2 runs took 2 s');
    for (const text of ['90.0 %, 70.0 %', '80.0 %, 60.0 %', '*seen* at 75 %']) expect(page).toContain(text);
  });
});
