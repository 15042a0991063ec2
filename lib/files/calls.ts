// The only calls to the file system in the library; tests replace them one by one.

import type { Stats } from 'node:fs';
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  unlink,
} from 'node:fs/promises';
import { OrthokitError } from '../core/errors.ts';

export interface Calls {
  open(path: string, flags: number | string, mode?: number): Promise<FileHandle>;
  fstat(file: FileHandle): Promise<Stats>;
  read(file: FileHandle, bytes: Uint8Array, position: number): Promise<number>;
  write(file: FileHandle, bytes: Uint8Array, position: number): Promise<number>;
  sync(file: FileHandle): Promise<void>;
  chmod(file: FileHandle, mode: number): Promise<void>;
  close(file: FileHandle): Promise<void>;
  realpath(path: string): Promise<string>;
  readlink(path: string): Promise<string>;
  stat(path: string): Promise<Stats>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  lstat(path: string): Promise<Stats>;
  list(folder: string): Promise<string[]>;
  makeFolder(path: string): Promise<void>;
  /** A folder and all in it. */
  removeFolder(path: string): Promise<void>;
}

export const calls: Calls = {
  open: (path, flags, mode) => open(path, flags, mode),
  fstat: (file) => file.stat(),
  read: async (file, bytes, position) => (await file.read(bytes, 0, bytes.length, position)).bytesRead,
  write: async (file, bytes, position) => (await file.write(bytes, 0, bytes.length, position)).bytesWritten,
  sync: (file) => file.sync(),
  chmod: (file, mode) => file.chmod(mode),
  close: (file) => file.close(),
  realpath: (path) => realpath(path),
  readlink: (path) => readlink(path),
  stat: (path) => stat(path),
  rename: (from, to) => rename(from, to),
  unlink: (path) => unlink(path),
  lstat: (path) => lstat(path),
  list: (folder) => readdir(folder),
  makeFolder: (path) => mkdir(path),
  removeFolder: (path) => rm(path, { recursive: true, force: true }),
};

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
