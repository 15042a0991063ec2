// A command names its options once: parseArgs, checks, usage and help are made of that table.
//   { option: { type, short?, value?, help, required?, choices?, number?: 'whole' | 'count' | 'positive' } }
// `passes` is the form of words that go on to another program as they are.
import { parseArgs } from 'node:util';

/** A command line that cannot be meant. */
export class UsageError extends Error {
  code = 'ERR_USAGE';
  exitCode = 2;
}

const fewOptions = 6;

const numbers = {
  whole: { form: /^[0-9]{1,15}$/, good: () => true, must: 'a whole number' },
  count: { form: /^[0-9]{1,15}$/, good: (x) => x >= 1, must: 'a whole number from 1' },
  positive: { form: /^[0-9]{1,15}(\.[0-9]{1,15})?$/, good: (x) => x > 0, must: 'a number above 0' },
};

export function usageOf(name, { options, rest = '' }) {
  const all = Object.entries(options);
  const shown = all.length <= fewOptions ? all : all.filter(([, { required }]) => required);
  const words = shown.map(([option, { short, value, required }]) => {
    const spelled = `${short ? `-${short}` : `--${option}`}${value ? ` ${value}` : ''}`;
    return required ? spelled : `[${spelled}]`;
  });
  const more = shown.length < all.length ? '[options]' : '';
  return ['orthokit', name, ...words, more, rest].filter(Boolean).join(' ');
}

/** The values of the options, and the words without one or those that are passed on. */
export function parse({ options, positionals: allowPositionals = false, passes }, args) {
  const passed = passes ? args.filter((word) => passes.test(word)) : [];
  const own = args.filter((word) => !passed.includes(word));
  const { values, positionals } = strictly(options, joined(options, own), allowPositionals);
  for (const [name, { required, choices, number }] of Object.entries(options)) {
    const value = values[name];
    if (value === undefined) {
      if (required) throw new UsageError(`--${name} is missing`);
      continue;
    }
    if (value === '') throw new UsageError(`--${name} must not be empty`);
    if (choices && !choices.includes(value))
      throw new UsageError(`--${name} must be ${choices.join(' or ')}, got ${value}`);
    if (number) values[name] = numberOf(name, numbers[number], value);
  }
  return [values, [...positionals, ...passed]];
}

/** `--seconds -1` as one word, so that it is refused as a number and not as an option. */
function joined(options, args) {
  const words = [];
  for (let i = 0; i < args.length; i++) {
    const takesNumber = options[args[i].replace(/^--/, '')]?.number && /^-[0-9.]/.test(args[i + 1] ?? '');
    words.push(takesNumber ? `${args[i]}=${args[++i]}` : args[i]);
  }
  return words;
}

function strictly(options, args, allowPositionals) {
  const table = Object.fromEntries(
    Object.entries(options).map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]),
  );
  try {
    return parseArgs({ args, options: table, allowPositionals });
  } catch (error) {
    if (!error.code?.startsWith('ERR_PARSE_ARGS_')) throw error;
    // The first sentence; what follows is advice that does not hold here.
    const [problem] = error.message.split(/\.\s/);
    throw new UsageError(problem.replace(/^Unknown option '(.*)'$/, 'no option $1'));
  }
}

function numberOf(name, { form, good, must }, value) {
  if (!form.test(value) || !good(Number(value))) throw new UsageError(`--${name} must be ${must}, got ${value}`);
  return Number(value);
}
