import { OrthokitError } from './errors.ts';

/** @throws ERR_ARGUMENT for an option that nobody reads. */
export function checkOptions(call: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options))
    if (!known.includes(key)) throw new OrthokitError('ERR_ARGUMENT', `${call}: ${key} is not an option`);
}
