// Devices: cpu
// npm run experiment -- low-bit: tiny runs, and the page of runs that are made up.
import { describe, expect, it } from 'vitest';
import { ways as compressedWays } from '../../scripts/experiments/low-bit/compressed.mjs';
import { steps } from '../../scripts/experiments/low-bit/move.mjs';
import { judge, pageOf } from '../../scripts/experiments/low-bit/page.mjs';
import { batches, run } from '../../scripts/experiments/low-bit/run.mjs';
import { ways as tokenWays } from '../../scripts/experiments/low-bit/token.mjs';

const common = { revision: 1, size: 'quick', seed: 1 } as const;

describe('the experiment of few bits', () => {
  it('makes a model smaller by every way', async () => {
    const { base, rows } = await run({ ...common, kind: 'sizes' });
    expect(rows.map(({ way }: { way: string }) => way)).toEqual(Object.keys(compressedWays));
    for (const { loss, bytes, share } of rows) {
      expect(bytes).toBeLessThan(base.weights);
      expect(share).toBeLessThan(base.bytes / 2);
      expect(Math.abs(loss - base.loss)).toBeLessThan(0.1);
    }
  });

  it('moves it to another text by forwards and by gradients, and learns a letter', async () => {
    const move = { ...common, kind: 'move', batch: 4 } as const;
    for (const [way, rate, clip] of [
      ['forwards', 1e-3, 100],
      ['scales', 1e-3, null],
    ] as const) {
      // biome-ignore format: one line
      const { losses, bad } = await run({ ...move, way, rate, clip });
      expect(losses.length).toBe(3);
      expect(losses.at(-1)).not.toBe(losses[0]);
      expect(bad).toBe(0);
    }
    const { before, after, attainable } = await run({ ...common, kind: 'token', way: 'history of 32' });
    expect(attainable).toBeLessThan(before);
    expect(after).not.toBe(before);
  });

  it('takes less memory by forwards', async () => {
    const { peaks, costs } = await run({ revision: 1, size: 'quick', kind: 'memory', forwards: 'in scopes' });
    const peak = (way: string) => peaks.find((one: { way: string; batch: number }) => one.way === way && one.batch === batches.quick.at(-1)).peak; // biome-ignore format: one line
    expect(peak('forwards')).toBeLessThan(peak('scales'));
    expect(peak('scales')).toBeLessThan(peak('all numbers'));
    for (const cost of costs) expect(cost).toBeGreaterThan(0);
  });

  it('has a page with all figures, and verdicts by its rules', () => {
    /** Runs as if they had been made: forwards end at so much. */
    const made = (end: number, clipped: number, proximal: number) => {
      const ways = ['forwards', 'scales', 'all numbers'];
      const peaks = ways.flatMap((way, w) =>
        batches.full.map((batch) => ({ way, batch, peak: 1000 * (w + 1) * batch })),
      );
      const ends = (last: number) => ({ losses: [3, last], clips: 7, bad: 0, steepest: 20 });
      const of = (seed: number) => [
        {
          ...{ kind: 'sizes', seed, base: { loss: 2, weights: 1000, bytes: 5000 } },
          rows: [4, 3, 2].flatMap(
            (bits) =>
            Object.keys(compressedWays).map((way) => ({ way, bits, bytes: 500, share: 900, loss: way === 'JLCM, proximal' ? proximal : way === 'JLCM, default gradient' ? 2.5 : 2.1 })), // biome-ignore format: one line
          ),
        },
        { kind: 'move', seed, way: 'forwards', rate: 1e-4, batch: 8, clip: 100, ...ends(end) },
        { kind: 'move', seed, way: 'forwards', rate: 3e-4, batch: 8, clip: 100, ...ends(3.1) },
        { kind: 'move', seed, way: 'forwards', rate: 3e-4, batch: 8, clip: 1, ...ends(clipped) },
        { kind: 'move', seed, way: 'forwards', rate: 3e-4, batch: 8, clip: null, ...ends(3.1) },
        { kind: 'move', seed, way: 'scales', rate: 1e-3, batch: 8, clip: null, ...ends(2.5) },
        { kind: 'move', seed, way: 'scales', rate: 1e-3, batch: 4, clip: null, ...ends(2.6) },
        ...Object.keys(tokenWays).map((way, i) => ({ kind: 'token', seed, way, before: 3, attainable: 2, after: 2.1 + 0.1 * i, removed: 7 * i, width: 64 })), // biome-ignore format: one line
      ];
      return [{ kind: 'memory', peaks, costs: [5, 8, 4] }, ...[1, 2, 3].flatMap(of)];
    };
    const own = judge(made(2.8, 2.9, 2.05));
    expect(own.fit).toBe(4);
    expect(own.time).toBe(5 * steps.full);
    expect(own.verdicts).toMatchObject({ less: 'not seen at this size', proximal: '4 bits seen, 3 bits seen, 2 bits seen', gradient: '4 bits seen, 3 bits seen, 2 bits seen', learnt: 'seen', projection: 'worse in every seed' }); // biome-ignore format: one line
    expect(own.verdicts.clipping.map(({ verdict }) => verdict)).toEqual([
      'no difference: no derivative reaches it',
      'seen',
    ]);
    expect(own.verdicts.forwards.map(({ verdict }) => verdict)).toEqual(['refuted', 'refuted']);
    const other = judge(made(2.4, 3.2, 2.15));
    expect(other.verdicts.proximal).toBe(
      '4 bits not seen at this size, 3 bits not seen at this size, 2 bits not seen at this size',
    );
    expect(other.verdicts.clipping[1]!.verdict).toBe('not seen at this size');
    expect([own.verdicts.softer, other.verdicts.softer]).toEqual(['seen', 'not seen at this size']);
    expect(other.verdicts.forwards.map(({ verdict }) => verdict)).toEqual(['seen', 'seen']);
    const page = pageOf(made(2.8, 2.9, 2.05), '31 runs took 2 s');
    for (const text of ['| 4 | JLCM, proximal | 0.5 kB | 4.00 | 8.0 × | 0.9 kB | 2.050, 2.050, 2.050 |', '90 %, 90 %, 90 %', 'Found: 3.0, and 3.0 for one window.']) expect(page).toContain(text); // biome-ignore format: one line
    expect(page).not.toMatch(/undefined|NaN/);
  });
});
