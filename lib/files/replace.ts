import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import nodePath from 'node:path';
import { abortable } from '../core/abortable.ts';
import { attempt, calls } from './calls.ts';
import { type Access, writeFully } from './contents.ts';
import { findPlace, keepMode, openFolder, removeLeftovers, syncFolder } from './place.ts';
import { givenUp } from './transfer.ts';

/** Writes, syncs and closes a file that was opened; `mode` is that of the file in whose place it comes. */
type WriteFile = (handle: FileHandle, path: string, mode: number | undefined) => Promise<void>;

/**
 * Puts a file in the place of `path` at once and whole: it is written beside it under a name of its own, renamed, and
 * the folder synced. Whatever fails or is killed on the way, `path` holds the old file or the new one. A killed process
 * may leave `<path>.<random>.tmp` behind, which a later call removes.
 */
export async function replaceFile(
  path: string,
  { op, signal }: Pick<Access, 'op' | 'signal'>,
  write: WriteFile,
): Promise<void> {
  const { target, mode } = await findPlace(op, path);
  const folder = nodePath.dirname(target);
  // Opened before anything is written: what fails here has changed nothing.
  const folderHandle = await openFolder(op, folder);
  try {
    await removeLeftovers(target);
    const temporary = `${target}.${randomBytes(8).toString('hex')}.tmp`;
    const handle = await attempt(op, temporary, 'created', calls.open(temporary, 'wx', mode));
    try {
      await write(handle, temporary, mode);
      signal?.throwIfAborted();
      await attempt(op, target, 'replaced', calls.rename(temporary, target));
    } catch (error) {
      await calls.unlink(temporary).catch(() => {});
      throw error;
    }
    if (folderHandle) await syncFolder(op, folder, folderHandle);
  } catch (error) {
    if (folderHandle) await calls.close(folderHandle).catch(() => {});
    throw error;
  }
  if (folderHandle) await attempt(op, folder, 'closed', calls.close(folderHandle));
}

/** A {@link replaceFile} of bytes; once they are written, and before they take their place, `before` is awaited. */
export async function replaceBytes(
  path: string,
  bytes: Uint8Array,
  { op, signal }: Pick<Access, 'op' | 'signal'>,
  before: () => Promise<void>,
): Promise<void> {
  await replaceFile(path, { op, signal }, async (handle, temporary, mode) => {
    try {
      if (mode !== undefined) await keepMode(op, temporary, handle, mode);
      await writeFully(handle, bytes, 0, { op, path: temporary, signal });
      await abortable(attempt(op, temporary, 'synced', calls.sync(handle)), signal);
    } catch (error) {
      await givenUp(calls.close(handle), signal);
      throw error;
    }
    await attempt(op, temporary, 'closed', calls.close(handle));
    await before();
  });
}
