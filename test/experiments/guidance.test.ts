// Devices: cpu
// npm run experiment -- guidance: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { classes, pixels } from '../../scripts/experiments/guidance/digits.mjs';
import { judge, pageOf } from '../../scripts/experiments/guidance/page.mjs';
import { run, scales, ways } from '../../scripts/experiments/guidance/run.mjs';

const names = Object.keys(ways);

describe('the experiment of guidance', () => {
  it('draws digits by every way and scale, the same ones where there is no guidance', async () => {
    const { rows, shown, real } = await run({ revision: 1, size: 'quick', seed: 1 });
    expect(rows.map(({ way, scale }) => `${way} ${scale}`)).toEqual(names.flatMap((way) => scales.map((scale) => `${way} ${scale}`))); // biome-ignore format: one line
    // Even a model that has hardly learnt anything: plain guidance draws longer digits at each higher scale, and projection,
    // with a bound or without, takes most of that away.
    const lengths = rows.filter(({ way }) => way === 'plain').map(({ length }) => length);
    for (const [i, length] of lengths.slice(1).entries()) expect(length).toBeGreaterThan(lengths[i]!);
    expect(judge([{ rows }])).toMatchObject({ projection: 'seen', holds: 'seen' });
    for (const { outside, right, spread } of rows) {
      for (const share of [outside, right]) expect(share > 0 && share < 1).toBe(true);
      expect(spread).toBeGreaterThan(0);
    }
    for (const way of names) expect(shown[`${way} 1`]).toEqual(shown['plain 1']);
    expect(shown['plain 15']).not.toEqual(shown['projected 15']);
    expect(shown['plain 1']!.length).toBe(classes * pixels);
    expect(real.length).toBeGreaterThan(0);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    /** Lengths grow with the scale, by so much each way. */
    const made = (...growths: number[]) =>
      [1, 2, 3].map((seed) => ({
        ...{ seed, real: { length: 12, spread: 0.4, right: 0.94 } },
        rows: names.flatMap(
          (way, w) =>
          scales.map((scale) => ({ way, scale, length: 1 + growths[w]! * scale, outside: 0.01 * scale, right: 0.95, spread: 0.8 })), // biome-ignore format: one line
        ),
      }));
    expect(judge(made(0.2, 0.09, 0.06, 0.04))).toEqual({ saturates: 'seen', projection: 'seen', holds: 'seen', right: 'seen' }); // biome-ignore format: one line
    expect(judge(made(0.2, 0.11, 0.06, 0.06))).toMatchObject({
      projection: 'not seen at this size',
      holds: 'not seen at this size',
    });
    expect(judge([...made(0.2, 0.09, 0.06, 0.04), ...made(0.2, 0.11, 0.06, 0.04)]).projection).toBe(
      'in 3 of 6 cases only',
    );
    const page = pageOf(made(0.2, 0.09, 0.06, 0.04), '3 runs took 2 s');
    for (const text of ['| plain | 15 | 4.00 | 4.00 – 4.00 | 15 % | 95 % | 0.80 |', 'of real ones 94 %', '*seen*']) expect(page).toContain(text); // biome-ignore format: one line
    expect(page).not.toMatch(/undefined|NaN/);
  });
});
