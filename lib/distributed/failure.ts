// Errors that travel between ranks as text.
import { OrthokitError } from '../core/errors.ts';

const longest = 3800;
const classes = [TypeError, RangeError, SyntaxError, ReferenceError];

/** An error as text that fits a message. */
export function written(error: unknown): string {
  const { name, message, code, stack } =
    error instanceof Error
      ? (error as Error & { code?: unknown })
      : { name: 'Error', message: String(error), code: undefined, stack: undefined };
  const of = (limit: number): string =>
    JSON.stringify({
      name: String(name).slice(0, 100),
      message: String(message).slice(0, limit),
      ...(typeof code === 'string' && { code: code.slice(0, 100) }),
      ...(stack && { stack: stack.slice(0, limit) }),
    });
  let limit = 1500;
  let text = of(limit);
  while (Buffer.byteLength(text) > longest) {
    limit = Math.floor(limit / 2);
    text = of(limit);
  }
  return text;
}

/** The error that another rank wrote. */
export function readError(text: string): Error {
  try {
    const { name, message, code, stack } = JSON.parse(text) as Record<string, string | undefined>;
    const Class = classes.find((one) => one.name === name) ?? Error;
    const error = Object.assign(new Class(message), code !== undefined && { code });
    if (Class.name !== name) Object.defineProperty(error, 'name', { value: name ?? 'Error', configurable: true });
    if (stack !== undefined) Object.defineProperty(error, 'stack', { value: stack, configurable: true });
    return error;
  } catch {
    return new Error(text);
  }
}

/** The failure that ended the run, as an error of this rank with that of the other as its cause. */
export function failureOf(op: string, { rank, text }: { rank: number; text: string }): OrthokitError {
  if (rank < 0) return new OrthokitError('ERR_BACKEND', `${op}: ${text}`);
  const cause = readError(text);
  return new OrthokitError('ERR_BACKEND', `${op}: rank ${rank} failed: ${cause.name}: ${cause.message}`, { cause });
}
