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

const hang: Command = command({
  summary: 'hang pictures',
  options: {
    pictures: { type: 'string', value: 'FILE…', help: 'which', list: true, required: true },
    heights: { type: 'string', value: 'N,N,…', help: 'of each', numbers: true },
    tilt: { type: 'string', value: 'N', help: 'degrees', number: 'any' },
    room: { type: 'string', value: 'BYTES', help: 'for the catalogue', bytes: true },
    wet: { type: 'boolean', help: 'on wet plaster' },
  },
  run({ pictures, heights = [], tilt = 0, room = 0 }) {
    const exact: [string[], number[], number, number] = [pictures, heights, tilt, room];
    return exact.length;
  },
});

describe('parse', () => {
  it('takes words up to the next option as a list, and lists of numbers', () => {
    const words = ['--pictures', 'a', 'b', '--heights', '-1,0.5', '--tilt', '-2.5', '--wet', '--pictures', 'c'];
    expect(parse(hang, words)).toEqual([{ pictures: ['a', 'b', 'c'], heights: [-1, 0.5], tilt: -2.5, wet: true }, []]);
  });
  it.each([
    ['.25', 0.25],
    ['-.5', -0.5],
    ['1e-3', 0.001],
    ['-2.5E+1', -25],
    ['3.', 3],
  ])('takes %s for a number', (tilt, number) => {
    const words = ['--pictures', 'a', '--tilt', tilt, '--heights', `0,${tilt}`];
    expect(parse(hang, words)[0]).toMatchObject({ tilt: number, heights: [0, number] });
  });
  it.each(['.', 'e1', '1e', '1e999', '--', '0x1', '1_0', ''])('takes %j for no number', (tilt) => {
    expect(() => parse(hang, ['--pictures', 'a', '--heights', `0,${tilt}`])).toThrow(UsageError);
  });
  it.each([
    ['1', 1],
    ['5GB', 5e9],
    ['1.5 GB', undefined],
    ['1.5kb', 1500],
    ['2MiB', 2 ** 21],
    ['16G', 16e9],
    ['7B', 7],
    ['0', undefined],
    ['GB', undefined],
  ])('takes %s for a number of bytes', (room, bytes) => {
    const parsed = () => parse(hang, ['--pictures', 'a', '--room', room])[0]['room'];
    if (bytes !== undefined) expect(parsed()).toBe(bytes);
    else expect(parsed).toThrow(new UsageError(`--room must be a number of bytes, such as 5GB, got ${room}`));
  });
  it.each([
    [['--pictures'], /pictures/],
    [['--pictures', 'a', '--heights', '1,x'], /--heights must be numbers with commas between them, got 1,x/],
    [['--pictures', 'a', '--tilt', 'x'], /--tilt must be a number, got x/],
    [['a', '--pictures', 'b'], /'a'/],
  ])('refuses %j of a list', (args, message) => {
    expect(() => parse(hang, args)).toThrow(message);
  });

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
