// Schemas of options: builders of single options, the checks and the defaults of a whole set.
import { OrthokitError, oneOf, shown } from './errors.ts';
import { checkOptions, isRecord } from './options.ts';

/** Rule of one option: its default, and what is amiss with a value, or nothing. */
export interface Option<T> {
  readonly default: T;
  readonly wrong: (value: T) => string | undefined;
  /** Settled when the object is made, because its state depends on it. */
  readonly fixed?: boolean;
  /** Options of its own, where the option is an object. */
  readonly members?: Schema<T & object>;
}

export type Schema<O> = { readonly [K in keyof Required<O>]: Option<O[K & keyof O]> };

/** Public options with their defaults: all are there, and only those of `Open` may be undefined. */
export type Resolved<O, Open extends keyof O = never> = {
  -readonly [K in keyof O]-?: K extends Open ? O[K] | undefined : Exclude<O[K], undefined>;
};

const numeric =
  (text: string, good: (x: number) => boolean) =>
  (x: number | undefined): string | undefined =>
    typeof x === 'number' && good(x) ? undefined : text;

export const notNegative = (value: number): Option<number> => ({
  default: value,
  wrong: numeric('must be finite and not negative', (x) => x >= 0 && x < Infinity),
});
export const finite = (value: number): Option<number> => ({
  default: value,
  wrong: numeric('must be finite', (x) => Number.isFinite(x)),
});
export const fraction = (value: number): Option<number> => ({
  default: value,
  wrong: numeric('must be in [0, 1)', (x) => x >= 0 && x < 1),
});
/** A share, from none to all. */
export const portion = (value: number): Option<number> => ({
  default: value,
  wrong: numeric('must be in [0, 1]', (x) => x >= 0 && x <= 1),
});
/** Above 0, and finite or at most `most`. */
export const positive = (value: number, most?: number): Option<number> => ({
  default: value,
  wrong:
    most === undefined
      ? numeric('must be a positive number', (x) => x > 0 && x < Infinity)
      : numeric(`must be in (0, ${most}]`, (x) => x > 0 && x <= most),
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
  ...(option as Option<T | undefined>),
  default: undefined,
  wrong: (x) => (x === undefined ? undefined : option.wrong(x)),
});
/** The same option, which cannot be left out. */
export const required = <T>(option: Option<T>): Option<T> => ({ ...option, default: undefined as T });
export const whole = (value: number, least: number, most: number, fixed = false): Option<number> => ({
  default: value,
  wrong: numeric(
    `must be a whole number from ${least} to ${most}`,
    (x) => Number.isInteger(x) && x >= least && x <= most,
  ),
  fixed,
});
/** A number of things: whole, and as exact as numbers are. */
export const count = (value: number, least = 1): Option<number> => ({
  default: value,
  wrong: numeric(`must be a whole number from ${least} on`, (x) => Number.isSafeInteger(x) && x >= least),
});

/** Values that a test accepts, such as `kind((x) => x instanceof Device, 'a Device')`; the option may be left out. */
export const kind = <T>(is: (value: unknown) => boolean, words: string): Option<T | undefined> => ({
  default: undefined,
  wrong: (x) => (x === undefined || is(x) ? undefined : `must be ${words}`),
});

/** An option that is an object with options of its own; left out, it has their defaults. */
export const nested = <T extends object>(members: Schema<T>): Option<T> => ({
  default: {} as T,
  wrong: (x) => (isRecord(x) ? undefined : 'must be an object'),
  members,
});
/** The same option, or `false` in its place. */
export const orFalse = <T>(option: Option<T>): Option<T | false> => ({
  ...(option as Option<T | false>),
  wrong: (x) => {
    const problem = x === false ? undefined : option.wrong(x);
    return problem && `${problem} or false`;
  },
});
/** The same option with one more demand. */
export const also = <T>(option: Option<T>, wrong: (value: T) => string | undefined): Option<T> => ({
  ...option,
  wrong: (x) => option.wrong(x) ?? wrong(x),
});

/** Options of every call that may last. */
export interface Watchers<P> {
  signal: AbortSignal | undefined;
  onProgress: ((progress: P) => void) | undefined;
}
export const watchers = <P>(): Schema<Watchers<P>> => ({
  signal: kind((x) => x instanceof AbortSignal, 'an AbortSignal'),
  onProgress: kind((x) => typeof x === 'function', 'a function'),
});

/** Options of which each may be left out; one that is `undefined` counts as left out. */
export type Given<O> = { [K in keyof O]?: O[K] | undefined };

const wrongValue = (where: string, field: string, problem: string, value: unknown): OrthokitError =>
  new OrthokitError('ERR_ARGUMENT', `${where}: ${field} ${problem}, got ${shown(value)}`);

/** Throws unless every value is one that its option may have. */
export function checkValues<O>(where: string, values: O, schema: Schema<O>): void {
  for (const name of Object.keys(schema) as (keyof O & string)[]) {
    const problem = schema[name].wrong(values[name] as never);
    if (problem) throw wrongValue(where, name, problem, values[name]);
  }
}

/** True of an object of no class: an option that is an object of values. */
const isPlain = (value: unknown): value is Record<string, unknown> =>
  isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value));

/**
 * A copy that nobody can change behind the checks; the caller's list, and that of a default, stay theirs. One with a
 * hole, which no option may have, ends there: it may be as long as it likes.
 */
function frozen<T>(value: T, depth = 2): T {
  if (depth > 0 && isPlain(value))
    return Object.freeze(Object.fromEntries(Object.entries(value).map(([k, v]) => [k, frozen(v, depth - 1)]))) as T;
  if (!Array.isArray(value) || depth === 0) return value;
  const copy: unknown[] = [];
  for (let i = 0; i < value.length; ++i) {
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

/** A schema, which never changes, as it is read. */
interface Reading {
  readonly names: readonly string[];
  readonly options: readonly Option<unknown>[];
}
const readings = new WeakMap<object, Reading>();

function readingOf(schema: object): Reading {
  const known = readings.get(schema);
  if (known) return known;
  const made = { names: Object.keys(schema), options: Object.values(schema) as Option<unknown>[] };
  readings.set(schema, made);
  return made;
}

/**
 * The options of a call with their defaults. `within` is the path to an option that is an object itself.
 * @throws ERR_ARGUMENT for what is no option, of another kind or out of range
 */
export function readOptions<O>(where: string, given: unknown, schema: Schema<O>, within = ''): O {
  const { names, options } = readingOf(schema);
  checkOptions(within === '' ? where : `${where}: ${within}`, given, names);
  const values: Record<string, unknown> = {};
  const fieldOf = (name: string): string => (within === '' ? name : `${within}.${name}`);
  for (let i = 0; i < names.length; ++i) {
    const name = names[i]!;
    const option = options[i]!;
    const own = (given as Record<string, unknown>)[name];
    const value = own === undefined ? option.default : own;
    const problem = option.wrong(value);
    if (problem) throw wrongValue(where, fieldOf(name), problem, value);
    values[name] =
      option.members && isRecord(value)
        ? readOptions(where, value, option.members as Schema<object>, fieldOf(name))
        : value;
  }
  return values as O;
}
