// Whole contents of open files, however little the system reads or writes at a time.
import type { FileHandle } from 'node:fs/promises';
import { abortable } from '../core/abortable.ts';
import { attempt, calls, ioError } from './calls.ts';

/** Bytes of one call of the system: between two of them a signal finds its turn. */
export const spanBytes: number = 1 << 22;

/** The call for which a file is read or written. */
export interface Access {
  /** The public function that messages begin with. */
  readonly op: string;
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fills `bytes` with what stands from `position` on; where the file ends before, `ended` is to throw. Positions are
 * explicit: a read never depends on where another one left the file.
 */
export async function readFully(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
  { op, path, signal }: Access,
  ended: (position: number) => never,
  onBytes?: (count: number) => void,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    signal?.throwIfAborted();
    const span = bytes.subarray(done, done + spanBytes);
    const count = await abortable(attempt(op, path, 'read', calls.read(handle, span, position + done)), signal);
    if (count === 0) ended(position + done);
    done += count;
    onBytes?.(count);
  }
  signal?.throwIfAborted();
}

/** Writes all of `bytes`; answers the position after the last one. */
export async function writeFully(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
  { op, path, signal }: Access,
): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    const writing = attempt(op, path, 'written', calls.write(handle, bytes.subarray(done), position + done));
    const count = await abortable(writing, signal);
    if (count === 0) throw ioError(op, path, 'written', new Error('no byte was taken'));
    done += count;
  }
  return position + bytes.length;
}
