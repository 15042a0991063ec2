// Devices: cpu
import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';
import { goal } from '../support/goal.ts';

const mebibyte = 1 << 20;
const cycles = goal('R17', { ci: 2000, deep: 200_000 });

interface Use {
  /** Bytes that the process has grown by after it was warm, garbage collected. */
  growth: number;
  /** The most bytes on the way. */
  most: number;
  /** Tensors that are left. */
  live: number;
}

async function cycle(way: 'dispose' | 'leave'): Promise<Use> {
  const nodeArgs = ['--expose-gc', '--max-semi-space-size=1'];
  const args = [`${cycles.count}`, way];
  const { stdout, ...ended } = await runChild('cycles.mjs', { nodeArgs, args, limit: cycles.limit(60_000) });
  expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

describe('R17: create, step, let go, again and again', cycles.tagged, () => {
  it(
    'is bounded in memory, and nearly as well when nothing is disposed',
    async () => {
      const disposed = await cycle('dispose');
      expect(disposed.live).toBe(0);
      expect(disposed.growth).toBeLessThan(8 * mebibyte);
      const left = await cycle('leave');
      expect(left.growth).toBeLessThan(8 * mebibyte);
      expect(left.most).toBeLessThan(2 * disposed.most);
    },
    cycles.limit(120_000),
  );
});
