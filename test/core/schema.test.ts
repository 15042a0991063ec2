// Devices: cpu
// Options of a call: defaults, and what is refused, with its name, its path and its value.
import { describe, expect, it } from 'vitest';
import { tensorOption } from '../../lib/core/check.ts';
import {
  also,
  count,
  flag,
  fraction,
  kind,
  nested,
  notNegative,
  optional,
  orFalse,
  positive,
  readOptions,
  type Schema,
  watchers,
  whole,
  word,
} from '../../lib/core/schema.ts';
import type { Tensor } from '../../lib/index.ts';
import { thrownBy } from '../support/tensors.ts';

interface Levels {
  start: number | undefined;
  factor: number;
}
interface Options {
  eps: number;
  share: number;
  bound: number;
  k: number | undefined;
  steps: number;
  form: 'fast' | 'safe';
  polish: boolean;
  levels: Levels | false;
  warmStart: Tensor | undefined;
  signal: AbortSignal | undefined;
  onProgress: ((progress: number) => void) | undefined;
}
const schema: Schema<Options> = {
  eps: positive(1e-3),
  share: fraction(0.5),
  bound: notNegative(0),
  k: optional(count(1)),
  steps: whole(5, 0, 100),
  form: word(['fast', 'safe'], 'safe'),
  polish: flag(true),
  levels: orFalse(
    nested<Levels>({
      start: optional(positive(1)),
      factor: also(positive(0.5), (x) => (x < 1 ? undefined : 'must be below 1')),
    }),
  ),
  warmStart: tensorOption,
  ...watchers<number>(),
};
const read = (options: unknown): Options => readOptions('solve', options, schema);

it('what is left out, or undefined, has its default', () => {
  const defaults = {
    ...{ eps: 1e-3, share: 0.5, bound: 0, k: undefined, steps: 5, form: 'safe', polish: true },
    ...{ levels: { start: undefined, factor: 0.5 }, warmStart: undefined, signal: undefined, onProgress: undefined },
  };
  expect(read({})).toEqual(defaults);
  expect(read({ eps: undefined, levels: undefined, k: undefined })).toEqual(defaults);
});

it('what is given is taken, members of an option as well', () => {
  const { signal } = new AbortController();
  const onProgress = (): void => {};
  const given = { eps: 2, k: 7, form: 'fast', polish: false, levels: { start: 4 }, signal, onProgress };
  expect(read(given)).toMatchObject({ ...given, levels: { start: 4, factor: 0.5 } });
  expect(read({ levels: false }).levels).toBe(false);
});

describe('refuses with ERR_ARGUMENT', () => {
  it.each<[unknown, string]>([
    [3, 'solve: options must be an object, got 3'],
    [{ epz: 1 }, 'solve: epz is not an option, did you mean eps?'],
    [{ eps: 0 }, 'solve: eps must be a positive number, got 0'],
    [{ eps: null }, 'solve: eps must be a positive number, got null'],
    [{ eps: Infinity }, 'solve: eps must be a positive number, got Infinity'],
    [{ share: 1 }, 'solve: share must be in [0, 1), got 1'],
    [{ bound: -1 }, 'solve: bound must be finite and not negative, got -1'],
    [{ k: 0 }, 'solve: k must be a whole number from 1 on, got 0'],
    [{ k: 2 ** 53 }, 'solve: k must be a whole number from 1 on, got 9007199254740992'],
    [{ steps: 101 }, 'solve: steps must be a whole number from 0 to 100, got 101'],
    [{ form: 'slow' }, "solve: form must be one of 'fast', 'safe', got 'slow'"],
    [{ polish: 1 }, 'solve: polish must be true or false, got 1'],
    [{ levels: 3 }, 'solve: levels must be an object or false, got 3'],
    [{ levels: { faktor: 1 } }, 'solve: levels: faktor is not an option, did you mean factor?'],
    [{ levels: { factor: '1' } }, "solve: levels.factor must be a positive number, got '1'"],
    [{ levels: { factor: 1 } }, 'solve: levels.factor must be below 1, got 1'],
    [{ warmStart: {} }, 'solve: warmStart must be a Tensor, got an object'],
    [{ signal: {} }, 'solve: signal must be an AbortSignal, got an object'],
    [{ onProgress: 1 }, 'solve: onProgress must be a function, got 1'],
  ])('%j', (options, message) => {
    expect(thrownBy(() => read(options))).toEqual({ code: 'ERR_ARGUMENT', message });
  });
});

it('an option of any kind has a test and words of its own', () => {
  const even: Schema<{ n: number | undefined }> = { n: kind((x) => Number(x) % 2 === 0, 'an even number') };
  expect(readOptions('f', { n: 2 }, even)).toEqual({ n: 2 });
  expect(thrownBy(() => readOptions('f', { n: 3 }, even)).message).toBe('f: n must be an even number, got 3');
});
