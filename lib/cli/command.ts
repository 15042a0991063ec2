// A command names its options once: parsing, checks, usage, help and the types of values are made of that table.
import { parseArgs } from 'node:util';

type NumberKind = 'whole' | 'count' | 'positive';
const numbers: Readonly<Record<NumberKind, { form: RegExp; good: (x: number) => boolean; must: string }>> = {
  whole: { form: /^[0-9]{1,15}$/, good: () => true, must: 'a whole number' },
  count: { form: /^[0-9]{1,15}$/, good: (x) => x >= 1, must: 'a whole number from 1' },
  positive: { form: /^[0-9]{1,15}(\.[0-9]{1,15})?$/, good: (x) => x > 0, must: 'a number above 0' },
};

interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** Name of the value in usage and help. */
  readonly value?: string;
  readonly help: string;
  readonly required?: boolean;
  readonly choices?: readonly string[];
  readonly number?: NumberKind;
}
type Options = Readonly<Record<string, Option>>;

type Value<O extends Option> = O extends { type: 'boolean' }
  ? boolean
  : O extends { number: string }
    ? number
    : O extends { choices: readonly (infer Word)[] }
      ? Word
      : string;
type Required<T extends Options> = { [K in keyof T]: T[K] extends { required: true } ? K : never }[keyof T];
/** Values that were given, by the names of the options. */
type Values<T extends Options> = { [K in Required<T>]: Value<T[K]> } & {
  [K in Exclude<keyof T, Required<T>>]?: Value<T[K]>;
};

type AnyValues = Record<string, string | number | boolean>;

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
  const passed = args.filter((word) => passes?.test(word));
  const words = joined(
    options,
    args.filter((word) => !passed.includes(word)),
  );
  const given = strictly(options, words, allowPositionals);
  const values: AnyValues = {};
  for (const [name, option] of Object.entries(options)) {
    const value = given.values[name];
    if (value !== undefined) values[name] = typeof value === 'string' ? checked(name, option, value) : value;
    else if (option.required) throw new UsageError(`--${name} is missing`);
  }
  return [values, [...given.positionals, ...passed]];
}

/** `--seconds -1` as one word, so that it is refused as a number and not as an option. */
function joined(options: Options, args: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < args.length; ++i) {
    const takesNumber = options[args[i]!.replace(/^--/, '')]?.number && /^-[0-9.]/.test(args[i + 1] ?? '');
    words.push(takesNumber ? `${args[i]}=${args[++i]}` : args[i]!);
  }
  return words;
}

interface Given {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

function strictly(options: Options, args: string[], allowPositionals: boolean): Given {
  const table = Object.fromEntries(
    Object.entries(options).map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]),
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

function checked(name: string, { choices, number }: Option, value: string): string | number {
  const wrong = (must: string): UsageError => new UsageError(`--${name} must be ${must}, got ${value}`);
  if (value === '') throw new UsageError(`--${name} must not be empty`);
  if (choices && !choices.includes(value)) throw wrong(choices.join(' or '));
  if (number === undefined) return value;
  const { form, good, must } = numbers[number];
  if (!form.test(value) || !good(Number(value))) throw wrong(must);
  return Number(value);
}
