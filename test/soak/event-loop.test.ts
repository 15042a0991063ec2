// Devices: cpu
// R19: the event loop turns while steps run.
import { describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Muon, Tensor } from '../../lib/index.ts';
import { goal } from '../support/goal.ts';
import { clock, Machine } from '../support/machine.ts';

/** Windows of a second each. */
const windows = goal('R19', { ci: 6, deep: 600 });
/** Milliseconds that a timer may be late, 99 times of 100 and always, beyond what the machine takes from another process. */
const [usual, most] = [10, 50];
/** A window in which others had the machine for a larger share of the time says nothing, and comes again; so often at most. */
const [judged, turns] = [0.5, 10];

/** Timers of a millisecond, one after the other, until `over`: when each was set, and when it came. */
async function timers(over: { now: boolean }): Promise<(readonly [set: number, came: number])[]> {
  const list: (readonly [number, number])[] = [];
  while (!over.now) {
    const set = clock();
    await new Promise((resolve) => setTimeout(resolve, 1));
    list.push([set, clock()]);
  }
  return list;
}

interface Window {
  p99: number;
  max: number;
  /** The share of the time that the machine took from the other process. */
  lost: number;
}

async function windowOf(machine: Machine, work: (over: { now: boolean }) => Promise<void>): Promise<Window> {
  const over = { now: false };
  const start = clock();
  machine.forget(start);
  const [working, timing] = [work(over), timers(over)];
  await new Promise((resolve) => setTimeout(resolve, 1000));
  over.now = true;
  const list = await timing;
  const end = clock();
  await working;
  const lost = await machine.lostIn(list);
  const late = list.map(([set, came], i) => Math.max(0, came - set - 1 - lost[i]!)).sort((a, b) => a - b);
  return {
    p99: late[Math.ceil(0.99 * late.length) - 1]!,
    max: late.at(-1)!,
    lost: (await machine.lost(start, end)) / (end - start),
  };
}

describe('R19: the event loop', windows.tagged, () => {
  it(
    'turns while steps run',
    async () => {
      using machine = await Machine.start();
      const device = Device.open('cpu');
      const shapes = [...Array.from({ length: 20 }, () => [64, 64]), [256, 128], [1000]];
      const tensors = (value: number) => shapes.map((shape) => Tensor.full(device, shape, value));
      const [weights, grads] = [tensors(0.5), tensors(0.1)];
      const optimizer = combine([
        { optimizer: Muon, params: weights.slice(0, -1) },
        { optimizer: AdamW, params: weights.slice(-1) },
      ]);
      let steps = 0;
      const runSteps = async (over: { now: boolean }): Promise<void> => {
        for (; !over.now; steps++) {
          optimizer.step(grads);
          await (steps % 10 === 0 ? optimizer.report() : device.flow());
          await new Promise((resolve) => setImmediate(resolve));
        }
        await device.synchronize();
      };

      const seen: Window[] = [];
      let count = 0;
      for (; seen.length < windows.count && count < turns * windows.count; count++) {
        const one = await windowOf(machine, runSteps);
        if (one.lost <= judged) seen.push(one);
      }
      await device.close();
      const figures = seen.map(({ p99, max, lost }) => [p99, max, 100 * lost].map((x) => x.toFixed(1)).join(' '));
      const words = `p99 ms, max ms, % that others took:\n${figures.join('\n')}`;
      expect(seen.length, `of ${count} windows; in the others the machine was busy`).toBe(windows.count);
      expect(steps).toBeGreaterThan(10 * seen.length);
      expect(Math.max(...seen.map(({ p99 }) => p99)), words).toBeLessThanOrEqual(usual);
      expect(Math.max(...seen.map(({ max }) => max)), words).toBeLessThanOrEqual(most);
      windows.record(seen.length);
    },
    windows.limit(120_000),
  );
});
