import { OrthokitError } from './errors.ts';

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value in a message, whatever it is: objects from outside may not even turn into text. */
export const shown = (value: unknown): string => {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
};

/** @throws ERR_ARGUMENT unless the options are an object, and each of its names one that somebody reads. */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (!isRecord(options))
    throw new OrthokitError(
      'ERR_ARGUMENT',
      `${where}: options must be an object, got ${options === null ? 'null' : typeof options}`,
    );
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw new OrthokitError('ERR_ARGUMENT', `${where}: ${name} is not an option`);
}
