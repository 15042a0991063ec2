// Devices: cpu
// npm run experiment -- streaming: a tiny run, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { judge, pageOf } from '../../scripts/experiments/streaming/page.mjs';
import { run } from '../../scripts/experiments/streaming/run.mjs';

describe('the experiment of streams', () => {
  it('gives by steps what windows give', async () => {
    const { delay, receptiveField, apart, letters, bytes, times } = await run({ revision: 1, size: 'quick', seed: 1 });
    expect([delay, receptiveField]).toEqual([28, 57]);
    expect(apart).toBeLessThan(1e-5);
    expect(letters.apart).toBeLessThan(1e-4);
    for (const time of Object.values(times)) expect(time).toBeGreaterThan(0);
    expect(bytes[1]).toBeLessThanOrEqual(bytes[0]!); // What earlier work left may go meanwhile.
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    const made = (late: number, byWindow: number) =>
      [1, 2, 3].map(() => ({
        ...{ delay: 28, receptiveField: 57, precision: 0.75, recall: 0.875, share: 0.2, apart: 2e-7 },
        ...{ bytes: [1000, late], times: { early: 0.5, late: late / 2000, window: 0.5635 } },
        ...{ byStep: 1234, byWindow, letters: { byRing: 100, byWindow: 900, apart: 1e-6 } },
      }));
    const none = 'not seen at this size';
    const all = { same: 'seen', constant: 'seen', alike: 'seen', shorter: 'seen', fewer: 'seen', letters: none };
    expect(judge(made(1000, 56_789))).toEqual(all);
    // Of 1,127 bytes it is 0.5635 ms, more than 1.1 times the 0.5 of early steps.
    expect(judge(made(1127, 5678))).toEqual({ same: 'seen', constant: none, alike: none, shorter: none, fewer: none, letters: none }); // biome-ignore format: one line
    expect(judge(made(1001, 56_789))).toEqual({ ...all, constant: none, shorter: 'seen' });
    expect(judge([...made(1000, 9), ...made(1001, 9)]).constant).toBe('in 3 of 6 cases only');
    const page = pageOf(made(1000, 56_789), '3 runs took 2 s');
    for (const text of ['87.5 %, 87.5 %, 87.5 %', '2.0e-7, 2.0e-7, 2.0e-7', '1,234', '56,789', '1,000, 1,000, 1,000', '0.50 ms, 0.50 ms, 0.50 ms', '0.56 ms', 'takes 1.1, 1.1, 1.1 times', '*seen*']) expect(page).toContain(text); // biome-ignore format: one line
  });
});
