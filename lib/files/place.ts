// The place in which a save puts its file.
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import nodePath from 'node:path';
import { refusal } from '../core/errors.ts';
import { attempt, calls, ioError, systemCode } from './calls.ts';

const mostLinks = 40;
/** The time in milliseconds for which a temporary file must have been left alone to count as one of a killed save. */
const leftoverAge = 60 * 60_000;

export interface Place {
  /** The file that is replaced, or made: what is at the end of symbolic links. */
  readonly target: string;
  /** Permissions of the file that is replaced; undefined for a new one. */
  readonly mode: number | undefined;
}

/** The file behind `path`, never a device or a folder. A link stays a link, one that leads to a free name too. */
export async function findPlace(op: string, path: string): Promise<Place> {
  let target: string;
  try {
    target = await calls.realpath(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { target: await freeName(op, path), mode: undefined };
    throw ioError(op, path, 'resolved', error);
  }
  const stats = await attempt(op, target, 'examined', calls.stat(target));
  if (!stats.isFile()) {
    throw refusal(op, 'path', 'be a regular file or free', `another kind at ${path}`);
  }
  return { target, mode: stats.mode & 0o777 };
}

/** Follows links whose end does not exist yet. */
async function freeName(op: string, path: string): Promise<string> {
  let target = path;
  for (let links = 0; links < mostLinks; ++links) {
    try {
      if (!(await calls.lstat(target)).isSymbolicLink()) return target;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return target;
      throw ioError(op, target, 'examined', error);
    }
    const next = await attempt(op, target, 'resolved', calls.readlink(target));
    target = nodePath.resolve(nodePath.dirname(target), next);
  }
  throw refusal(op, 'path', `be behind at most ${mostLinks} links`, `more at ${path}`);
}

/** Gives a new file the permissions of the one that it replaces. */
export async function keepMode(op: string, path: string, handle: FileHandle, mode: number): Promise<void> {
  const stats = await attempt(op, path, 'examined', calls.fstat(handle));
  // File systems without permissions refuse the call, and have nothing to be changed.
  if ((stats.mode & 0o777) !== mode) await attempt(op, path, 'given its permissions', calls.chmod(handle, mode));
}

// Windows has no handle for folders and makes renames last by itself.
export async function openFolder(op: string, folder: string): Promise<FileHandle | undefined> {
  if (process.platform === 'win32') return undefined;
  return attempt(op, folder, 'opened', calls.open(folder, constants.O_RDONLY | constants.O_DIRECTORY));
}

export async function syncFolder(op: string, folder: string, handle: FileHandle): Promise<void> {
  try {
    await calls.sync(handle);
  } catch (error) {
    // Some network file systems cannot sync a folder and say so with EINVAL; they have no stronger promise to give.
    if (systemCode(error) !== 'EINVAL') throw ioError(op, folder, 'synced', error);
  }
}

/**
 * Removes what killed saves of `target` have left beside it. A save that is under way writes its file again and again,
 * so only what nobody has written to for an hour is taken for a leftover. Failing is no reason not to save.
 */
export async function removeLeftovers(target: string): Promise<void> {
  const folder = nodePath.dirname(target);
  const own = `${nodePath.basename(target)}.`;
  const before = Date.now() - leftoverAge;
  const names = await calls.list(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(own) || !/^[0-9a-f]{16}\.tmp$/.test(name.slice(own.length))) continue;
    const file = nodePath.join(folder, name);
    try {
      const stats = await calls.lstat(file);
      if (stats.isFile() && stats.mtimeMs < before) await calls.unlink(file);
    } catch {
      // Another save has removed it, or the next one will.
    }
  }
}
