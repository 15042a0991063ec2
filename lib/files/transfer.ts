import { OrthokitError, shown } from '../core/errors.ts';
import { checkOptions } from '../core/options.ts';

/** How far a file has been read or written. */
export interface Progress {
  /** Bytes of tensor data read or written so far. */
  readonly done: number;
  /** Bytes of tensor data altogether. */
  readonly total: number;
}

/** Options of everything that reads or writes a file. */
export interface TransferOptions {
  /** Aborting rejects with the signal's reason, and nothing has changed. Default: none. */
  signal?: AbortSignal | undefined;
  /** Called after each piece of data, with bytes. Default: none. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

export function checkPath(op: string, path: unknown): asserts path is string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    const got = shown(path);
    throw new OrthokitError('ERR_ARGUMENT', `${op}: path must be a non-empty string without NUL, got ${got}`);
  }
}

/** Known names only, and each of the right kind. */
export function checkTransfer(op: string, options: TransferOptions, known: readonly string[]): void {
  checkOptions(op, options, known);
  const { signal, onProgress } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new OrthokitError('ERR_ARGUMENT', `${op}: signal must be an AbortSignal, got ${shown(signal)}`);
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new OrthokitError('ERR_ARGUMENT', `${op}: onProgress must be a function, got ${shown(onProgress)}`);
}

/** Waits for the close of a file that was given up, unless an abort asks for haste: it waits for the calls under way. */
export async function givenUp(close: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const done = close.catch(() => {});
  if (!signal?.aborted) await done;
}
