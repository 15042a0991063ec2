import { refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import { kind, type Schema, type Watchers, watchers } from '../core/schema.ts';
import type { TaskOptions } from '../core/task.ts';

/** Progress of reading or writing a file, told after each span of data. */
export interface Progress {
  /** Bytes of tensor data read or written so far. */
  readonly done: number;
  /** Bytes of tensor data altogether. */
  readonly total: number;
}

/** Options of everything that reads or writes a file. */
export type TransferOptions = TaskOptions<Progress>;

/** Options of everything that saves, with texts of the caller's. */
export const saveSchema: Schema<Watchers<Progress> & { metadata: Record<string, string> | undefined }> = {
  ...watchers<Progress>(),
  metadata: kind(isRecord, 'an object of texts'),
};

export const isPath = (path: unknown): path is string =>
  typeof path === 'string' && path !== '' && !path.includes('\0');

export function checkPath(op: string, path: unknown): asserts path is string {
  if (isPath(path)) return;
  throw refusal(op, 'path', 'be a non-empty string without NUL', shown(path));
}

/** Waits for the close of a file that was given up, unless an abort asks for haste: it waits for calls under way. */
export async function givenUp(close: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const done = close.catch(() => {});
  if (!signal?.aborted) await done;
}
