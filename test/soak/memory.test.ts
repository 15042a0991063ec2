// Devices: cpu
import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';
import { goal } from '../support/goal.ts';

const mebibyte = 1 << 20;
// Deep, seconds of cycles: in each of two sittings what half an hour holds beside the other cycles.
const soak = goal('R17', { ci: 0, deep: 3240 });
const cycles = 2000;

interface Use {
  /** Bytes that the process has grown by after it was warm, garbage collected. */
  growth: number;
  /** The most bytes on the way. */
  most: number;
  /** Tensors that are left. */
  live: number;
  /** Hours, and bytes of the process, garbage collected. */
  samples: [hours: number, bytes: number][];
}

async function cycle(way: 'dispose' | 'leave', seconds = 0): Promise<Use> {
  const nodeArgs = ['--expose-gc', '--max-semi-space-size=1'];
  const args = [`${cycles}`, way, `${seconds}`];
  const { stdout, ...ended } = await runChild('cycles.mjs', { nodeArgs, args, limit: soak.limit(60_000) });
  expect(ended).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

describe('R17: create, step, let go, again and again', soak.tagged, () => {
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
    soak.limit(120_000),
  );

  // A slope needs a good part of an hour.
  if (soak.deep)
    it(
      'does not grow by more than 1 MB an hour',
      async () => {
        const { samples } = await cycle('dispose', soak.count);
        // The first fifth is for the allocator to find its size.
        const steady = samples.slice(Math.floor(samples.length / 5));
        const slope = slopeOf(steady) / mebibyte;
        console.log(`R17: ${slope.toFixed(2)} MB an hour, of ${samples.length} looks`);
        expect(steady.length).toBeGreaterThan(10);
        expect(slope).toBeLessThanOrEqual(1);
        soak.record(soak.count);
      },
      soak.limit(120_000),
    );
});

/** The slope of the regression line. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const mean = (k: 0 | 1) => points.reduce((sum, point) => sum + point[k], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const product = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return product / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}
