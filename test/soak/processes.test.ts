// Devices: cpu
import { afterAll, describe, expect, it } from 'vitest';
import { Folder } from '../files/folder.ts';
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

const ends = goal('R16', { ci: 42, deep: 5000 });

/** The folder in which a process that crashes leaves its core. */
const folder = new Folder();
afterAll(() => folder[Symbol.dispose]());

/** Milliseconds within which a process must end, and after which it is killed, which is a wrong end. */
const slow = 2000;
const hung = 10_000;

/** Ends a process with seconds of work in its queue, or with none; milliseconds from its word that it ends. */
async function endOne(way: Way, seed: number, work: 'work' | 'none' = 'work'): Promise<number> {
  const random = uniform(seed);
  let ready = 0;
  let hangs: NodeJS.Timeout | undefined;
  const { status, signal, stderr } = await runChild('exit.mjs', {
    args: work === 'work' ? [way] : [way, '0'],
    limit: 60_000, // to start, on a busy machine
    cores: folder.path,
    onLine: (line, child) => {
      hangs ??= setTimeout(() => child.kill('SIGKILL'), hung);
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
  clearTimeout(hangs);
  expect(folder.names).toEqual([]);
  expect({ status, signal }, way).toEqual(ways[way]);
  if (way === 'throw' || way === 'reject') expect(stderr).toContain('RangeError: uncaught');
  else expect(stderr).toBe('');
  return took;
}

describe('R16: a process with work in its queue', ends.tagged, () => {
  it(
    'ends in every way, at once and with the right code',
    async () => {
      const names = Object.keys(ways) as Way[];
      const taken: { way: Way; seed: number; took: number }[] = [];
      const idle: number[] = [];
      await ends.each(async (seed, index) => {
        const way = names[seed % names.length] as Way;
        taken.push({ way, seed, took: await endOne(way, seed) });
        // The cost of an end without any work, on the machine as it is now: one in turn with each round of the others.
        if (index % names.length === 0)
          idle.push(await endOne(names[(index / names.length) % names.length] as Way, seed, 'none'));
      });
      // One in a hundred may have waited for its turn on the machine; none may hang.
      const longest = Math.max(...idle);
      const late = taken.filter(({ took }) => took > slow + longest);
      expect(late.length, `${JSON.stringify(late)}, without work ${longest}`).toBeLessThanOrEqual(ends.count / 100);
      expect(idle.sort((a, b) => a - b)[idle.length >> 1]).toBeLessThan(slow);
    },
    ends.limit(300_000),
  );
});
