// A command names its options once: parsing, checks, usage, help and the types of values are made of that table.
import { parseArgs } from 'node:util';

type NumberKind = 'whole' | 'count' | 'positive' | 'any';
/** Such as 0.25, .25, −2 and 1e-3. */
const decimal = /^-?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:e[+-]?[0-9]{1,2})?$/i;
const numbers: Readonly<Record<NumberKind, { form: RegExp; good: (x: number) => boolean; must: string }>> = {
  whole: { form: /^[0-9]{1,15}$/, good: () => true, must: 'a whole number' },
  count: { form: /^[0-9]{1,15}$/, good: (x) => x >= 1, must: 'a whole number from 1' },
  positive: { form: decimal, good: (x) => x > 0, must: 'a number above 0' },
  any: { form: decimal, good: () => true, must: 'a number' },
};
const sizes = /^([0-9]{1,15}(?:\.[0-9]{1,6})?)(?:([KMGT])(i?)B?|B)?$/i;

interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** Name of the value in usage and help. */
  readonly value?: string;
  readonly help: string;
  readonly required?: boolean;
  readonly choices?: readonly string[];
  readonly number?: NumberKind;
  /** Numbers with commas between them. */
  readonly numbers?: true;
  /** A number of bytes, which may end in KB, MB, GB, TB, or KiB and so on. */
  readonly bytes?: true;
  /** All words up to the next option; it may be given several times. */
  readonly list?: true;
}
type Options = Readonly<Record<string, Option>>;

type Value<O extends Option> = O extends { type: 'boolean' }
  ? boolean
  : O extends { list: true }
    ? string[]
    : O extends { numbers: true }
      ? number[]
      : O extends { number: string } | { bytes: true }
        ? number
        : O extends { choices: readonly (infer Word)[] }
          ? Word
          : string;
type Required<T extends Options> = { [K in keyof T]: T[K] extends { required: true } ? K : never }[keyof T];
/** Values that were given, by the names of the options. */
type Values<T extends Options> = { [K in Required<T>]: Value<T[K]> } & {
  [K in Exclude<keyof T, Required<T>>]?: Value<T[K]>;
};

type AnyValues = Record<string, string | number | boolean | string[] | number[]>;

/** A command with options of this table. */
interface Definition<T extends Options, V = Values<T>> {
  readonly summary: string;
  readonly options: T;
  /** Takes words that are no options. */
  readonly positionals?: boolean;
  /** Usage's text for what follows the options. */
  readonly rest?: string;
  /** The form of words that go on to another program as they are. */
  readonly passes?: RegExp;
  /** The first word that is no option, and all behind it, go on to another program as they are. */
  readonly passesRest?: true;
  /** The exit code; `words` are those without an option and those that are passed on. */
  run(values: V, words: string[]): number | Promise<number>;
}
export type Command = Definition<Options, AnyValues>;

/** The command, whose values have the types that its table says. */
export const command = <const T extends Options>(own: Definition<T>): Command => own as unknown as Command;

/** A command line that cannot be meant. */
export class UsageError extends Error {
  readonly code = 'ERR_USAGE';
  readonly exitCode = 2;
}

const fewOptions = 6;

export function usageOf(name: string, { options, rest = '' }: Command): string {
  const all = Object.entries(options);
  const shown = all.length <= fewOptions ? all : all.filter(([, { required }]) => required);
  const words = shown.map(([option, { short, value, required }]) => {
    const spelled = `${short ? `-${short}` : `--${option}`}${value ? ` ${value}` : ''}`;
    return required ? spelled : `[${spelled}]`;
  });
  const more = shown.length < all.length ? '[options]' : '';
  return ['orthokit', name, ...words, more, rest].filter(Boolean).join(' ');
}

export function helpOf(name: string, own: Command): string {
  const words = Object.entries(own.options).map(([option, { short, value, help, choices }]) => {
    const spelled = `${short ? `-${short}, ` : ''}--${option}${value ? ` ${value}` : ''}`;
    return `  ${spelled.padEnd(28)}${help}${choices ? ` (${choices.join(', ')})` : ''}`;
  });
  return [usageOf(name, own), `    ${own.summary}`, ...(words.length > 0 ? ['', ...words] : [])].join('\n');
}

/** The arguments of `run`. @throws {@link UsageError} */
export function parse(own: Command, args: readonly string[]): [values: AnyValues, words: string[]] {
  const { options, positionals: allowPositionals = false, passes } = own;
  const [head, rest] = own.passesRest ? headOf(options, args) : [args, []];
  const passed = head.filter((word) => passes?.test(word));
  const words = joined(
    options,
    head.filter((word) => !passed.includes(word)),
  );
  const given = strictly(options, words, allowPositionals);
  const values: AnyValues = {};
  for (const [name, option] of Object.entries(options)) {
    const value = given.values[name];
    if (Array.isArray(value)) values[name] = value.map((word) => checked(name, option, word) as string);
    else if (value !== undefined) values[name] = typeof value === 'string' ? checked(name, option, value) : value;
    else if (option.required) throw new UsageError(`--${name} is missing`);
  }
  return [values, [...given.positionals, ...passed, ...rest]];
}

/** The options, with their values, and what follows them. */
export function headOf(options: Options, args: readonly string[]): [head: readonly string[], rest: readonly string[]] {
  let i = 0;
  while (i < args.length && args[i]!.startsWith('-') && args[i] !== '--') {
    const name = args[i]!.replace(/^--?/, '');
    const option = Object.entries(options).find(([long, { short }]) => name === long || name === short)?.[1];
    i += option?.type === 'string' ? 2 : 1;
  }
  return [args.slice(0, i), args.slice(args[i] === '--' ? i + 1 : i)];
}

/**
 * `--seconds -1` as one word, so that it is refused as a number and not as an option; `--models a b` as `--models a
 * --models b`.
 */
function joined(options: Options, args: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < args.length; ++i) {
    const name = args[i]!.replace(/^--/, '');
    const option = args[i]!.startsWith('--') && Object.hasOwn(options, name) ? options[name] : undefined;
    const takesNumber = (option?.number ?? option?.numbers) && /^-[0-9.]/.test(args[i + 1] ?? '');
    if (takesNumber) words.push(`${args[i]}=${args[++i]}`);
    else words.push(args[i]!);
    if (!option?.list) continue;
    for (let first = true; i + 1 < args.length && !args[i + 1]!.startsWith('-'); first = false)
      words.push(...(first ? [] : [`--${name}`]), args[++i]!);
  }
  return words;
}

interface Given {
  readonly values: Readonly<Record<string, string | boolean | string[] | undefined>>;
  readonly positionals: readonly string[];
}

function strictly(options: Options, args: string[], allowPositionals: boolean): Given {
  const table = Object.fromEntries(
    Object.entries(options).map(([name, { type, short, list = false }]) => [
      name,
      { type, multiple: list, ...(short && { short }) },
    ]),
  );
  try {
    return parseArgs({ args, options: table, allowPositionals }) as Given;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_PARSE_ARGS_')) throw error;
    // The first sentence; what follows is advice that does not hold here.
    const [problem] = message.split(/\.\s/);
    throw new UsageError(problem!.replace(/^Unknown option '(.*)'$/, 'no option $1'));
  }
}

function checked(
  name: string,
  { choices, number, numbers: isList, bytes }: Option,
  value: string,
): string | number | number[] {
  const wrong = (must: string): UsageError => new UsageError(`--${name} must be ${must}, got ${value}`);
  if (value === '') throw new UsageError(`--${name} must not be empty`);
  if (choices && !choices.includes(value)) throw wrong(choices.join(' or '));
  if (isList) {
    const all = value.split(',');
    if (!all.every((one) => numbers.any.form.test(one))) throw wrong('numbers with commas between them');
    return all.map(Number);
  }
  if (bytes) return bytesOf(value) ?? fail(wrong('a number of bytes, such as 5GB'));
  if (number === undefined) return value;
  const { form, good, must } = numbers[number];
  if (!form.test(value) || !good(Number(value))) throw wrong(must);
  return Number(value);
}

function bytesOf(value: string): number | undefined {
  const [, digits, unit = '', binary] = sizes.exec(value) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Math.floor(Number(digits) * (binary ? 1024 : 1000) ** ' KMGT'.indexOf(unit.toUpperCase() || ' '));
  return bytes > 0 ? bytes : undefined;
}

const fail = (error: UsageError): never => {
  throw error;
};
