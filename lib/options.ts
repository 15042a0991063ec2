import { OrthokitError, shown, suggestion } from './errors.ts';

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export { shown };

/** @throws ERR_ARGUMENT unless the options are an object, and each of its names one that somebody reads. */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (!isRecord(options))
    throw new OrthokitError('ERR_ARGUMENT', `${where}: options must be an object, got ${shown(options)}`);
  for (const name of Object.keys(options))
    if (!known.includes(name))
      throw new OrthokitError('ERR_ARGUMENT', `${where}: ${name} is not an option${suggestion(name, known)}`);
}
