// Calls of the file system that fail, and files that a failure leaves open.
import { readdirSync, readlinkSync } from 'node:fs';
import { type Calls, calls } from '../../lib/files/calls.ts';

const original: Calls = { ...calls };
export const restoreCalls = (): void => void Object.assign(calls, original);

type Call = (...args: unknown[]) => Promise<unknown>;

/** Makes the nth call fail; answers which one it was. */
export function failNth(nth: number): () => keyof Calls | undefined {
  let count = 0;
  let hit: keyof Calls | undefined;
  for (const name of Object.keys(original) as (keyof Calls)[]) {
    // Nothing here is cut off from power: syncs only take time.
    const real = name === 'sync' ? async () => {} : (original[name] as Call);
    (calls as unknown as Record<string, Call>)[name] = async (...args) => {
      count += 1;
      if (count !== nth) return real(...args);
      hit = name;
      if (name === 'close') await real(...args);
      throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    };
  }
  return () => hit;
}

/** Open files of this process in the folder of the test. */
export function openFiles(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(folder) ? [target] : [];
    } catch {
      return []; // the descriptor of the listing itself
    }
  });
}
