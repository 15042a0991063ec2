// Errors that arrive late, as file systems over a network have them: what was written is lost, and only the close says so.
import type { FileHandle } from 'node:fs/promises';
import { type Calls, calls } from '../../lib/files/calls.ts';

/**
 * Data written to the n-th file that is opened is taken and lost; its close fails, and has closed it all the same. Says
 * whether there was such a file, and whether it was written.
 */
export function loseNth(nth: number): { readonly opened: boolean; readonly written: boolean } {
  const { open, write, close } = { ...calls };
  const found = { opened: false, written: false };
  let count = 0;
  let lost: FileHandle | undefined;
  Object.assign(calls, {
    open: async (...args) => {
      const handle = await open(...args);
      if (++count === nth) lost = handle;
      found.opened ||= handle === lost;
      return handle;
    },
    write: async (handle, bytes, position) => {
      if (handle !== lost) return write(handle, bytes, position);
      found.written = true;
      return bytes.length;
    },
    close: async (handle) => {
      await close(handle);
      if (handle === lost && found.written)
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    },
  } satisfies Partial<Calls>);
  return found;
}
