// Devices: cpu
// Axes: node
import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';
import { goal } from '../support/goal.ts';

const workers = 100;
const processes = goal('R15', { ci: 1, deep: 200 });

describe('R15: worker threads with devices', processes.tagged, () => {
  it(
    'end in every way at any time, and leave nothing behind',
    async () => {
      const all = new Map<string, number>();
      await processes.each(async (seed) => {
        const args = [`${seed}`, `${workers}`];
        const { stdout, ...ended } = await runChild('workers.mjs', { args, limit: 120_000 });
        expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
        const { ends, extraThreads } = JSON.parse(stdout);
        for (const [end, count] of Object.entries<number>(ends)) all.set(end, (all.get(end) ?? 0) + count);
        expect(extraThreads).toBe(0);
      });
      // A worker is terminated with 1 unless it has not begun.
      for (const end of all.keys()) expect(end).toMatch(/^(return 0|leave 0|throw 1|exit 5|terminate [01])$/);
      expect([...all.values()].reduce((a, b) => a + b, 0)).toBe(processes.count * workers);
      for (const end of ['return 0', 'leave 0', 'throw 1', 'exit 5', 'terminate 1'])
        expect(all.get(end)).toBeGreaterThan(0);
    },
    processes.limit(300_000),
  );
});
