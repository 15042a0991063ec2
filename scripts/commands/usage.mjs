// A command names its options once: parseArgs, checks, usage and help are made of that table.
//   { option: { type, short?, value?, help, required?, choices?, number?: true | 'decimal' } }
import { parseArgs } from 'node:util';

/** A command line that cannot be meant. */
export class UsageError extends Error {}

const fewOptions = 6;

export function usageOf(name, { options = {}, rest = '' }) {
  const all = Object.entries(options);
  const shown = all.length <= fewOptions ? all : all.filter(([, { required }]) => required);
  const words = shown.map(([option, { short, value, required }]) => {
    const spelled = `${short ? `-${short}` : `--${option}`}${value ? ` ${value}` : ''}`;
    return required ? spelled : `[${spelled}]`;
  });
  const more = shown.length < all.length ? '[options]' : '';
  return ['orthokit', name, ...words, more, rest].filter(Boolean).join(' ');
}

/** The values of the options and the words without one. */
export function parse({ options, positionals: allowPositionals = false }, args) {
  const table = Object.fromEntries(
    Object.entries(options).map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]),
  );
  const { values, positionals } = parseArgs({ args, options: table, allowPositionals });
  for (const [name, { required, choices, number }] of Object.entries(options)) {
    const value = values[name];
    if (value === undefined) {
      if (required) throw new UsageError(`--${name} is missing`);
      continue;
    }
    if (value === '') throw new UsageError(`--${name} must not be empty`);
    if (choices && !choices.includes(value))
      throw new UsageError(`--${name} must be ${choices.join(' or ')}, got ${value}`);
    if (number) {
      const isNumber = number === 'decimal' ? /^[0-9]{1,15}(\.[0-9]{1,15})?$/ : /^[0-9]{1,15}$/;
      const kind = number === 'decimal' ? 'a number' : 'a whole number';
      if (!isNumber.test(value)) throw new UsageError(`--${name} must be ${kind}, got ${value}`);
      values[name] = Number(value);
    }
  }
  return [values, positionals];
}
