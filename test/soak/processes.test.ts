import { describe, expect, it } from 'vitest';
import { runChild } from '../support/child.ts';
import { uniform } from '../support/data.ts';
import { goal } from '../support/goal.ts';

const ways = {
  exit: { status: 7, signal: null },
  'exit-later': { status: 7, signal: null },
  throw: { status: 1, signal: null },
  reject: { status: 1, signal: null },
  SIGTERM: { status: null, signal: 'SIGTERM' },
  SIGINT: { status: null, signal: 'SIGINT' },
  'SIGINT twice': { status: 130, signal: null },
} as const;
type Way = keyof typeof ways;

const ends = goal('R16', { ci: 200, deep: 5000 });

/** Ends a process with seconds of work in its queue; milliseconds from its word that it ends. */
async function endOne(way: Way, seed: number): Promise<number> {
  const random = uniform(seed);
  let ready = 0;
  const { status, signal, stderr } = await runChild('exit.mjs', {
    args: [way],
    limit: 30_000,
    onLine: (line, child) => {
      const signal = way.startsWith('SIGINT') ? 'SIGINT' : 'SIGTERM';
      if (!way.startsWith('SIG')) ready = performance.now();
      else if (line === 'ready' || line === 'closing')
        setTimeout(() => {
          ready = performance.now();
          child.kill(signal);
        }, 5 * random());
    },
  });
  const took = performance.now() - ready;
  expect({ status, signal }, way).toEqual(ways[way]);
  if (way === 'throw' || way === 'reject') expect(stderr).toContain('RangeError: uncaught');
  else expect(stderr).toBe('');
  return took;
}

describe('R16: a process with work in its queue', () => {
  it(
    'ends in every way, at once and with the right code',
    async () => {
      const names = Object.keys(ways) as Way[];
      const times = new Map<Way, number[]>(names.map((way) => [way, []]));
      await ends.each(async (seed) => {
        const way = names[seed % names.length] as Way;
        times.get(way)?.push(await endOne(way, seed));
      });
      // A process that is slow now and then waits for its turn on the machine; one that finishes its work first is
      // slow every time.
      for (const [way, taken] of times)
        if (taken.length > 0) expect(taken.sort((a, b) => a - b)[taken.length >> 1], way).toBeLessThan(2000);
    },
    ends.limit(300_000),
  );
});
