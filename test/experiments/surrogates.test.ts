// Devices: cpu
// npm run experiment -- surrogates: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/surrogates/page.mjs';
import { networks, run, sizes, tried, ways } from '../../scripts/experiments/surrogates/run.mjs';

describe('the experiment of surrogates', () => {
  it('asks the oracle as often by each way, and comes down with the safe step', async () => {
    const { runs } = await run({ size: 'quick', network: 'linear', seed: 1 });
    for (const { way, losses } of runs) {
      if (way !== 'lbfgs') expect(losses).toHaveLength(sizes.quick.calls);
      if (way.startsWith('surrogate')) for (const [i, loss] of losses.slice(1).entries()) expect(loss).toBeLessThan(losses[i]!);
    } // biome-ignore format: short
    const end = (way: string) => runs.find((one) => one.way === way)!.losses.at(-1)!;
    expect(end('surrogate 20')).toBeLessThan(end('surrogate 1'));
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (last: Readonly<Record<string, number>>) =>
      networks.flatMap((network) =>
        [1, 2].map((seed) => ({
          ...{ network, seed },
          runs: ways.flatMap((way) => tried[way].map((value) => ({ way, value, losses: [2, last[way]!] }))),
        })),
      );
    const losses = {
      'surrogate 1': 0.8,
      'surrogate 5': 0.4,
      'surrogate 20': 0.1,
      gradient: 0.7,
      adam: 0.1,
      lbfgs: 0.05,
    };
    const runs = made(losses);
    const verdicts = {
      falls: 'seen',
      inner: 'seen',
      gradient: 'seen',
      adam: 'not seen at this size',
      lbfgs: 'refuted',
      early: 'refuted',
    };
    expect(judge(runs)).toEqual(verdicts);
    expect(judge(made({ ...losses, 'surrogate 1': 3 })).falls).toBe('in 8 of 12 cases only');
    const page = pageOf(runs, '4 runs took 2 s');
    for (const text of ['0.0500, 0.0500', 'gradient steps *seen*', 'L-BFGS *refuted*']) expect(page).toContain(text);
  });
});
