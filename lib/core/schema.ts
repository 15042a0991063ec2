// What an optimizer's options may be: builders of single options, the checks and the defaults of a whole set.
import { OrthokitError, oneOf, shown } from './errors.ts';
import { isListOf } from './options.ts';

/** What an option may be: `wrong` says what is amiss with a value, or nothing. */
export interface Option<T> {
  readonly default: T;
  readonly wrong: (value: T) => string | undefined;
  /** Settled when the optimizer is made, because its state depends on it. */
  readonly fixed?: boolean;
}

export type Schema<O> = { readonly [K in keyof Required<O>]: Option<O[K & keyof O]> };

const numeric =
  (text: string, good: (x: number) => boolean) =>
  (x: number | undefined): string | undefined =>
    typeof x === 'number' && good(x) ? undefined : text;

export const notNegative = (value: number): Option<number> => ({
  default: value,
  wrong: numeric('must be finite and not negative', (x) => x >= 0 && x < Infinity),
});
export const fraction = (value: number): Option<number> => ({
  default: value,
  wrong: numeric('must be in [0, 1)', (x) => x >= 0 && x < 1),
});
export const positive = (value: number, most: number): Option<number> => ({
  default: value,
  wrong: numeric(`must be in (0, ${most}]`, (x) => x > 0 && x <= most),
});
export const flag = (value: boolean): Option<boolean> => ({
  default: value,
  wrong: (x) => (typeof x === 'boolean' ? undefined : 'must be true or false'),
});
export const word = <T extends string>(words: readonly T[], value: T, fixed = false): Option<T> => ({
  default: value,
  wrong: (x) => (words.includes(x) ? undefined : `must be ${oneOf(words)}`),
  fixed,
});
export const optional = <T>(option: Option<T>): Option<T | undefined> => ({
  ...option,
  default: undefined,
  wrong: (x) => (x === undefined ? undefined : option.wrong(x)),
});
export const whole = (value: number, least: number, most: number, fixed = false): Option<number> => ({
  default: value,
  wrong: numeric(
    `must be a whole number from ${least} to ${most}`,
    (x) => Number.isInteger(x) && x >= least && x <= most,
  ),
  fixed,
});
const isFraction = (x: unknown): x is number => typeof x === 'number' && x >= 0 && x < 1;
export const betas = (value: readonly [number, number]): Option<readonly [number, number]> => ({
  default: value,
  wrong: (x) =>
    Array.isArray(x) && x.length === 2 && isListOf(x, isFraction) ? undefined : 'must be two numbers in [0, 1)',
});

/** Options of which each may be left out; one that is `undefined` counts as left out. */
export type Given<O> = { [K in keyof O]?: O[K] | undefined };

/** Throws unless every value is one that its option may have. */
export function checkValues<O>(where: string, values: O, schema: Schema<O>): void {
  for (const name of Object.keys(schema) as (keyof O & string)[]) {
    const problem = schema[name].wrong(values[name] as never);
    if (problem) throw new OrthokitError('ERR_ARGUMENT', `${where}: ${name} ${problem}, got ${shown(values[name])}`);
  }
}

/**
 * A copy that nobody can change behind the checks; the caller's list, and that of a default, stay theirs. One with a hole,
 * which no option may have, ends there: it may be as long as it likes.
 */
function frozen<T>(value: T, depth = 2): T {
  if (!Array.isArray(value) || depth === 0) return value;
  const copy: unknown[] = [];
  for (let i = 0; i < value.length; i++) {
    copy.push(frozen(value[i] as unknown, depth - 1));
    if (copy[i] === undefined) break;
  }
  return Object.freeze(copy) as T;
}

/** Defaults, then the optimizer's options, then the group's; an option that is undefined counts as not given. */
export function resolve<O>(schema: Schema<O>, ...given: readonly Given<O>[]): O {
  const values: Partial<O> = {};
  for (const name of Object.keys(schema) as (keyof O)[]) {
    values[name] = schema[name].default;
    for (const options of given) if (options[name] !== undefined) values[name] = options[name] as O[keyof O];
    values[name] = frozen(values[name]);
  }
  return values as O;
}
