import { OrthokitError } from '../errors.ts';

export interface Progress {
  /** Bytes of tensor data read or written so far. */
  readonly done: number;
  /** Bytes of tensor data altogether. */
  readonly total: number;
}

export interface TransferOptions {
  /** Aborting rejects with the signal's reason, and nothing has changed. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export function checkPath(op: string, path: unknown): asserts path is string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    const got = typeof path === 'string' ? JSON.stringify(path) : typeof path;
    throw new OrthokitError('ERR_ARGUMENT', `${op}: path must be a non-empty string without NUL, got ${got}`);
  }
}

/** Known names only, and each of the right kind. */
export function checkOptions(op: string, options: unknown, known: readonly string[]): void {
  const wrong = (problem: string): never => {
    throw new OrthokitError('ERR_ARGUMENT', `${op}: ${problem}`);
  };
  if (!isRecord(options)) wrong(`options must be an object, got ${options === null ? 'null' : typeof options}`);
  for (const [name, value] of Object.entries(options as object)) {
    if (!known.includes(name)) wrong(`option must be one of ${known.join(' ')}, got ${JSON.stringify(name)}`);
    if (name === 'signal' && value !== undefined && !(value instanceof AbortSignal)) {
      wrong(`signal must be an AbortSignal, got ${typeof value}`);
    }
    if (name === 'onProgress' && value !== undefined && typeof value !== 'function') {
      wrong(`onProgress must be a function, got ${typeof value}`);
    }
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Settles like `promise`, or rejects with the signal's reason as soon as it is aborted. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    const settled = (): void => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(settled);
    if (signal.aborted) abort();
  });
}
