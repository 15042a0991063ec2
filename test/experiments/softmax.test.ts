// Devices: cpu
// npm run experiment -- softmax: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/softmax/page.mjs';
import { problemOf } from '../../scripts/experiments/softmax/problems.mjs';
import { data, penalties, run } from '../../scripts/experiments/softmax/run.mjs';

describe('the experiment of softmax regression', () => {
  it('has rows of all classes, and a column of ones', () => {
    for (const name of data) {
      const { x, labels, width, classes } = problemOf(name, 'quick', 1);
      expect(new Set(labels).size).toBe(classes);
      expect(x.filter((_, at) => at % width === width - 1).every((one) => one === 1)).toBe(true);
    }
  });

  it('ends at the same value by both methods, with fewer gradients by Newton steps', async () => {
    const { gns, lbfgs } = await run({ size: 'quick', data: 'words', l2: 1e-3, seed: 1 });
    expect([gns.status, lbfgs.status]).toEqual(['converged', 'converged']);
    expect(Math.abs(gns.value - lbfgs.value)).toBeLessThan(1e-9);
    expect(gns.gradients).toBeLessThan(lbfgs.gradients);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (gradients: number, products: number) =>
      data.flatMap((name) =>
        penalties.map((l2) => ({
          ...{ size: 'full', data: name, l2, seed: 1 },
          gns: { gradients, products, value: 1 },
          lbfgs: { gradients: 100, products: 0, value: 1 },
        })),
      );
    expect(judge(made(8, 20))).toEqual({ steps: 'seen', work: 'seen', trust: 'seen' });
    expect(judge(made(60, 200))).toMatchObject({ steps: 'not seen at this size', work: 'refuted' });
    const page = pageOf(made(8, 20), '4 runs took 2 s');
    for (const text of ['| 8 | 20 | 38 |', '| 100 | 0 | 100 |', 'trust-ncg', '*seen*']) expect(page).toContain(text);
  });
});
