// Devices: cpu
// npm run experiment -- cloning: its picture, a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/cloning/page.mjs';
import { run } from '../../scripts/experiments/cloning/run.mjs';
import { pasted, sceneOf } from '../../scripts/experiments/cloning/scene.mjs';

describe('the experiment of seamless cloning', () => {
  it('asks for the slopes of what is cut out', () => {
    const n = 7;
    const scene = sceneOf(n);
    // Its values may be others.
    const square = scene.source.values.map((value) => value + 0.25);
    const { values, columns } = pasted(scene, square, n);
    for (const [i, j] of [
      [3, 3],
      [2, 5],
    ] as const) {
      const at = (scene.row + i) * columns + scene.column + j;
      const image = 4 * values[at]! - values[at - 1]! - values[at + 1]! - values[at - columns]! - values[at + columns]!;
      expect(Math.abs(image - scene.b[i * n + j]!)).toBeLessThan(1e-12);
    }
  });

  it('learns directions that need far fewer iterations', async () => {
    const { first, last, found } = await run({ size: 'quick', seed: 1 });
    expect(last).toBeLessThan(first! / 2);
    for (const { cg, untrained, learnt, apart } of found) {
      expect(learnt).toBeLessThan(cg / 3);
      expect(learnt).toBeLessThan(untrained);
      expect(apart).toBeLessThan(1e-4);
    }
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (small: number, large: number) => ({
      ...{ coefficients: [0.2, 0.05, 1.1, 0.25, 0.03], first: 0.9, last: 0.002 },
      found: [
        { n: 31, cg: 81, untrained: 39, byHand: 8, learnt: small, apart: 1e-6 },
        { n: 255, cg: 583, untrained: 172, byHand: 8, learnt: large, apart: 1e-5 },
      ],
    });
    expect(judge([made(5, 7)])).toEqual({ size: 'seen', fewer: 'seen', hand: 'seen' });
    expect(judge([made(5, 20)])).toEqual({ size: 'not seen at this size', fewer: 'seen', hand: 'refuted' });
    const page = pageOf([made(5, 7)], 'runs took 2 s');
    for (const text of ['| 583 |', '| 7 |', '255 × 255', '*seen*']) expect(page).toContain(text);
  });
});
