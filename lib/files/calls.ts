// The only calls to the file system in the library; tests replace them one by one.

import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { OrthokitError } from '../core/errors.ts';

type File = fs.FileHandle;

export const calls = {
  open: (path: string, flags: number | string, mode?: number): Promise<File> => fs.open(path, flags, mode),
  fstat: (file: File): Promise<Stats> => file.stat(),
  read: async (file: File, bytes: Uint8Array, position: number): Promise<number> =>
    (await file.read(bytes, 0, bytes.length, position)).bytesRead,
  write: async (file: File, bytes: Uint8Array, position: number): Promise<number> =>
    (await file.write(bytes, 0, bytes.length, position)).bytesWritten,
  sync: (file: File): Promise<void> => file.sync(),
  chmod: (file: File, mode: number): Promise<void> => file.chmod(mode),
  close: (file: File): Promise<void> => file.close(),
  realpath: (path: string): Promise<string> => fs.realpath(path),
  readlink: (path: string): Promise<string> => fs.readlink(path),
  stat: (path: string): Promise<Stats> => fs.stat(path),
  /** Bytes of the file system that the caller may still write. */
  free: async (path: string): Promise<number> => {
    const { bavail, bsize } = await fs.statfs(path);
    return bavail * bsize;
  },
  rename: (from: string, to: string): Promise<void> => fs.rename(from, to),
  unlink: (path: string): Promise<void> => fs.unlink(path),
  lstat: (path: string): Promise<Stats> => fs.lstat(path),
  list: (folder: string): Promise<string[]> => fs.readdir(folder),
  makeFolder: (path: string): Promise<void> => fs.mkdir(path),
  /** A folder and all in it. */
  removeFolder: (path: string): Promise<void> => fs.rm(path, { recursive: true, force: true }),
};
export type Calls = typeof calls;

/** `ERR_IO` with the system's error as `cause`; `field` is the argument that holds the path. */
export function ioError(op: string, path: string, done: string, cause: unknown, field = 'path'): OrthokitError {
  const code = systemCode(cause) ?? String(cause);
  return new OrthokitError('ERR_IO', `${op}: ${field} could not be ${done}, got ${code} for ${path}`, { cause });
}

/** The code of a system error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Awaits a call of the table above, with its failure as `ERR_IO`. */
export async function attempt<T>(op: string, path: string, done: string, call: Promise<T>, field?: string): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    throw ioError(op, path, done, cause, field);
  }
}
