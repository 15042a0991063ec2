// Devices: cpu
import { describe, expect, it } from 'vitest';
import { AdamW, Device, schedules, Tensor } from '../../lib/index.ts';
import { cosine } from '../../lib/nn/index.ts';

const over = (schedule: schedules.Schedule, steps: number) =>
  Array.from({ length: steps }, (_, step) => schedule(step));

describe('schedules', () => {
  it('constant is the peak, 1 by default', () => {
    expect(over(schedules.constant(), 3)).toEqual([1, 1, 1]);
    expect(schedules.constant({ peak: 0.02 })(1e15)).toBe(0.02);
  });

  it('linearWarmup has the peak from the last step of the warm-up on', () => {
    expect(over(schedules.linearWarmup({ warmup: 4 }), 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
    expect(over(schedules.linearWarmup({ peak: 0.02, warmup: 1 }), 2)).toEqual([0.02, 0.02]);
    expect(over(schedules.linearWarmup({ peak: 0.02, warmup: 0 }), 2)).toEqual([0.02, 0.02]);
  });

  it('cosine has the peak after the warm-up, half of the way in its middle, and the floor from the end on', () => {
    const schedule = schedules.cosine({ peak: 2, warmup: 2, steps: 6, floor: 0.5 });
    const quarter = Math.SQRT1_2 * 0.75;
    const expected = [1, 2, 2, 1.25 + quarter, 1.25, 1.25 - quarter, 0.5, 0.5];
    for (const [step, rate] of over(schedule, 8).entries()) expect(rate).toBeCloseTo(expected[step]!, 15);
    for (const step of [0, 1, 2, 6, 7, 1e15]) expect(schedule(step)).toBe(expected[Math.min(step, 7)]);
    expect(over(schedules.cosine({ steps: 2 }), 3)).toEqual([1, expect.closeTo(0.5, 15), 0]);
  });

  it('cosine is that of nn', () => {
    const options = { peak: 3e-4, warmup: 7, steps: 50, floor: 1e-5 };
    expect(over(schedules.cosine(options), 60)).toEqual(over(cosine(options), 60));
  });

  it('trapezoid has the peak at both of its corners, and the floor from the end on', () => {
    const schedule = schedules.trapezoid({ peak: 0.1, warmup: 2, decay: 4, steps: 8, floor: 0.03 });
    const expected = [0.05, 0.1, 0.1, 0.1, 0.1, 0.0825, 0.065, 0.0475, 0.03, 0.03];
    for (const [step, rate] of over(schedule, 10).entries()) expect(rate).toBeCloseTo(expected[step]!, 15);
    for (const step of [1, 2, 3, 4]) expect(schedule(step)).toBe(0.1);
    for (const step of [8, 9, 1e15]) expect(schedule(step)).toBe(0.03);
    expect(over(schedules.trapezoid({ decay: 0, steps: 2 }), 3)).toEqual([1, 1, 0]);
    expect(over(schedules.trapezoid({ decay: 2, steps: 2 }), 3)).toEqual([1, 0.5, 0]);
  });

  it.each([0, 1])('%i steps in all are that many, and then the floor', (steps) => {
    const options = { peak: 0.5, floor: 0.125, steps };
    const expected = [0.5, 0.5].slice(0, steps).concat(0.125, 0.125);
    expect(over(schedules.cosine(options), steps + 2)).toEqual(expected);
    expect(over(schedules.cosine({ ...options, warmup: steps }), steps + 2)).toEqual(expected);
    expect(over(schedules.trapezoid({ ...options, decay: steps }), steps + 2)).toEqual(expected);
    expect(over(schedules.trapezoid({ ...options, decay: 0, warmup: steps }), steps + 2)).toEqual(expected);
  });

  it('refuse what contradicts, and steps that are none', () => {
    expect(() => schedules.cosine({ steps: 3, warmup: 4 })).toThrow(
      'schedules.cosine: steps must be at least warmup, 4, got 3',
    );
    expect(() => schedules.trapezoid({ steps: 3, warmup: 2, decay: 2 })).toThrow(
      'schedules.trapezoid: steps must be at least warmup and decay together, 4, got 3',
    );
    expect(() => schedules.cosine({ steps: 3, floor: 2 })).toThrow(
      'schedules.cosine: floor must be at most peak, 1, got 2',
    );
    for (const schedule of [schedules.constant(), schedules.cosine({ steps: 3 })])
      for (const step of [-1, Number.NaN, Infinity, '1', undefined])
        expect(() => schedule(step as number)).toThrow(/^schedules\.\w+: step must be finite and not negative, got /);
  });

  it('set the rate of a group', async () => {
    const device = Device.open('cpu');
    const weight = Tensor.zeros(device, [1], { dtype: 'f64' });
    const optimizer = new AdamW([weight], { weightDecay: 0, eps: 0 });
    const schedule = schedules.trapezoid({ peak: 0.1, warmup: 2, decay: 2, steps: 4 });
    const moved: number[] = [];
    for (let step = 0, before = 0; step < 5; ++step) {
      optimizer.groups[0]!.lr = schedule(step);
      optimizer.step([Tensor.full(device, [1], 1, { dtype: 'f64' })]);
      const [now] = await weight.read();
      moved.push(before - now!);
      before = now!;
    }
    for (const [step, expected] of [0.05, 0.1, 0.1, 0.05, 0].entries()) expect(moved[step]).toBeCloseTo(expected, 12);
    await device.close();
  });
});
