import { OrthokitError, refusal, shown, suggestion } from './errors.ts';

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export { shown };

/** True for a list whose elements are all of a kind. A hole is of none, and ends the search. */
export function isListOf<T>(value: unknown, isOne: (element: unknown) => element is T): value is readonly T[] {
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; ++i) if (!isOne(value[i])) return false;
  return true;
}

/**
 * The message of an unknown name says which is near it, or which there are.
 * @throws ERR_ARGUMENT unless the options are an object, and each of its names one that somebody reads
 */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (!isRecord(options)) throw refusal(where, 'options', 'be an object', shown(options));
  for (const name in options)
    if (Object.hasOwn(options, name) && !known.includes(name))
      throw new OrthokitError(
        'ERR_ARGUMENT',
        `${where}: ${name} is not an option${suggestion(name, known) || all(known)}`,
      );
}

const all = (known: readonly string[]): string =>
  known.length === 0 ? ', there are none' : `, there are ${[...known].sort().join(', ')}`;
