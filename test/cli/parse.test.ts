// Devices: cpu
import { describe, expect, it } from 'vitest';
import { type Command, command, helpOf, parse, UsageError, usageOf } from '../../lib/cli/command.ts';

const paint: Command = command({
  summary: 'colour a wall',
  options: {
    wall: { type: 'string', value: 'NAME', help: 'which one', required: true },
    coats: { type: 'string', short: 'c', value: 'N', help: 'layers', number: 'count' },
    colour: { type: 'string', value: 'WORD', help: 'of the last one', choices: ['red', 'blue'] },
    wet: { type: 'boolean', help: 'on wet plaster' },
  },
  positionals: true,
  rest: '[brush…]',
  passes: /^--X/,
  // Types of values follow from the table: this would not compile otherwise.
  run({ wall, coats = 1, colour = 'red', wet = false }, brushes) {
    const exact: [string, number, 'red' | 'blue', boolean, string[]] = [wall, coats, colour, wet, brushes];
    return exact.length;
  },
});

describe('parse', () => {
  it('gives values of the kinds that the table says, and words without an option', () => {
    expect(parse(paint, ['--wall', 'north', '-c', '2', 'wide', '--wet', '--colour=blue', '--Xa=b'])).toEqual([
      { wall: 'north', coats: 2, colour: 'blue', wet: true },
      ['wide', '--Xa=b'],
    ]);
  });
  it('leaves out what was not given', () => {
    expect(parse(paint, ['--wall', 'north'])).toEqual([{ wall: 'north' }, []]);
  });
  it.each([
    [[], '--wall is missing'],
    [['--wall', ''], '--wall must not be empty'],
    [['--wall', 'north', '--colour', 'grey'], '--colour must be red or blue, got grey'],
    [['--wall', 'north', '--coats', '1.5'], '--coats must be a whole number from 1, got 1.5'],
    [['--wall', 'north', '--coats', '-1'], '--coats must be a whole number from 1, got -1'],
    [['--wall', 'north', '--Y'], 'no option --Y'],
  ])('refuses %j: %s', (args, message) => {
    expect(() => parse(paint, args)).toThrow(new UsageError(message));
  });
});

it('usage and help are made of the table', () => {
  expect(usageOf('paint', paint)).toBe('orthokit paint --wall NAME [-c N] [--colour WORD] [--wet] [brush…]');
  expect(helpOf('paint', paint).split('\n')).toEqual([
    usageOf('paint', paint),
    '    colour a wall',
    '',
    '  --wall NAME                 which one',
    '  -c, --coats N               layers',
    '  --colour WORD               of the last one (red, blue)',
    '  --wet                       on wet plaster',
  ]);
});
