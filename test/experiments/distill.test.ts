// Devices: cpu
// npm run experiment -- distill: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/distill/page.mjs';
import { run, ways } from '../../scripts/experiments/distill/run.mjs';

const names = Object.keys(ways);

describe('the experiment of distilled digits', () => {
  it('makes images of pixels by every way, and students of them', async () => {
    const { teacher, found } = await run({ revision: 1, size: 'quick', seed: 1 });
    expect(teacher).toBeGreaterThan(0.3);
    expect(found.map(({ way }) => way)).toEqual(names);
    for (const { shown, students, way } of found) {
      expect(shown.length).toBe(10 * 14 * 14);
      for (const value of shown) expect(Math.abs(value)).toBeLessThanOrEqual(100);
      expect(new Set(shown).size, way).toBeGreaterThan(20);
      for (const right of students) expect(right).toBeGreaterThan(0);
    }
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (...rights: number[]) =>
      [1, 2, 3].map((seed) => ({
        ...{ seed, teacher: 0.97 },
        found: names.map((way, i) => ({ way, loss: 0.1, students: [rights[i]! - 0.01, rights[i]! + 0.01] })),
      }));
    expect(judge(made(0.8, 0.7, 0.75, 0.85))).toEqual({ curriculum: 'seen', moments: 'seen', real: 'refuted' });
    expect(judge([...made(0.8, 0.7, 0.75, 0.85), ...made(0.7, 0.8, 0.6, 0.5)])).toEqual({ curriculum: 'in 3 of 6 cases only', moments: 'seen', real: 'in 3 of 6 cases only' }); // biome-ignore format: one line
    const page = pageOf(made(0.8, 0.7, 0.75, 0.85), '3 runs took 2 s');
    for (const text of ['80.0 %, 80.0 %, 80.0 % | 80.0 % | 79.0 % – 81.0 %', '97.0 %', '*refuted*']) expect(page).toContain(text); // biome-ignore format: one line
    expect(page).not.toMatch(/undefined|NaN/);
  });
});
