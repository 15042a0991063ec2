// Devices: cpu
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Muon, Tensor } from '../../lib/index.ts';
import { goal } from '../support/goal.ts';

// Windows of a second each, in turn without and with steps.
const windows = goal('R19', { ci: 20, deep: 600 });

/** Milliseconds. */
interface Lag {
  p99: number;
  max: number;
}

describe('R19: the event loop', windows.tagged, () => {
  it(
    'turns while steps run',
    async () => {
      const device = Device.open('cpu');
      const shapes = [...Array.from({ length: 20 }, () => [64, 64]), [256, 128], [1000]];
      const tensors = (value: number) => shapes.map((shape) => Tensor.full(device, shape, value));
      const [weights, grads] = [tensors(0.5), tensors(0.1)];
      const optimizer = combine([
        { optimizer: Muon, params: weights.slice(0, -1) },
        { optimizer: AdamW, params: weights.slice(-1) },
      ]);
      let steps = 0;
      const runSteps = async (until: { over: boolean }): Promise<void> => {
        for (; !until.over; steps++) {
          optimizer.step(grads);
          await (steps % 10 === 0 ? optimizer.report() : device.flow());
          await new Promise((resolve) => setImmediate(resolve));
        }
        await device.synchronize();
      };
      const rest = async (): Promise<void> => {};
      const lagUnder = async (work: (until: { over: boolean }) => Promise<void>): Promise<Lag> => {
        const until = { over: false };
        const working = work(until);
        const lag = monitorEventLoopDelay({ resolution: 1 });
        lag.enable();
        await new Promise((resolve) => setTimeout(resolve, 1000));
        lag.disable();
        until.over = true;
        await working;
        return { p99: lag.percentile(99) / 1e6, max: lag.max / 1e6 };
      };

      const pairs: { idle: Lag; busy: Lag }[] = [];
      for (let i = 0; i < Math.max(1, windows.count / 2); i++)
        pairs.push({ idle: await lagUnder(rest), busy: await lagUnder(runSteps) });
      await device.close();

      // Others on the machine delay a loop with and without steps; what steps add is theirs, and grows with the others.
      const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
      const added = (of: keyof Lag): number => median(pairs.map(({ idle, busy }) => busy[of] - idle[of]));
      const usual = (of: keyof Lag): number => median(pairs.map(({ idle }) => idle[of]));
      const worstIdle = Math.max(...pairs.map(({ idle }) => idle.max));
      const beyond = (limit: number): number => pairs.filter(({ busy }) => busy.max > limit + worstIdle).length;
      const figures = `steps add p99 ${added('p99')} ms, max ${added('max')} ms; the worst without ${worstIdle} ms`;
      console.log(`R19: ${figures}`);
      expect(steps).toBeGreaterThan(10 * pairs.length);
      expect(added('p99'), figures).toBeLessThan(10 + usual('p99'));
      expect(added('max'), figures).toBeLessThan(50 + usual('max'));
      // Seldom blocked is blocked too.
      expect(beyond(50), figures).toBeLessThanOrEqual(pairs.length / 10);
      expect(beyond(500), figures).toBe(0);
    },
    windows.limit(120_000),
  );
});
