// Devices: cpu
import { expect, it } from 'vitest';
import { testOf } from '../../lib/core/pattern.ts';

it.each([
  ['a.b', ['a.b'], ['a.b.c', 'a', 'axb', 'b.a.b']],
  ['*.w', ['a.w', '0.w'], ['w', 'a.b.w', 'a.wx']],
  ['**.w', ['w', 'a.w', 'a.b.w'], ['aw', 'a.w.b']],
  ['a.**', ['a', 'a.b', 'a.b.c'], ['ab', 'b.a']],
  ['a.**.w', ['a.w', 'a.b.c.w'], ['a.b', 'w']],
  ['**', ['a', 'a.b.c'], ['']],
  ['w*', ['w', 'weight'], ['a.w', 'w.a']],
  ['{up,gate}.w', ['up.w', 'gate.w'], ['down.w', 'up,gate.w']],
  ['b.*.{attn.q,mlp.u*}.w', ['b.0.attn.q.w', 'b.1.mlp.up.w'], ['b.0.attn.w', 'b.0.mlp.down.w']],
  ['{a,b}{1,2}', ['a1', 'b2'], ['a', 'ab']],
  ['a.**.b.**.c', ['a.b.c', 'a.x.b.b.y.c'], ['a.c', 'a.x.y.c']],
  ['**.**', ['a', 'a.b'], ['']],
  ['*a*{b,}*c', ['abc', 'xaxc', 'axbxc'], ['ab', 'a.c', 'cab']],
  ['a{b', ['a{b'], ['ab']],
  ['a+(b)|c', ['a+(b)|c'], ['aab', 'c']],
] as [string, string[], string[]][])('%s', (pattern, fit, others) => {
  const fits = (path: string): boolean => testOf('here', 'which', pattern)(path, undefined);
  expect(fit.filter((path) => !fits(path))).toEqual([]);
  expect(others.filter(fits)).toEqual([]);
});

it.each(['{**,b}.w', '{a.**,b}.w', 'a**', 'a.***.b', 'a.**b'])('refuses %s, in which ** is no step', (pattern) => {
  expect(() => testOf('here', 'which', pattern)).toThrow(
    expect.objectContaining({
      code: 'ERR_ARGUMENT',
      message: `here: which must have ** as a step of its own, outside of braces, got '${pattern}'`,
    }),
  );
});

it('takes no time that grows with the number of ways through a path', () => {
  const start = performance.now();
  expect(testOf('here', 'which', `${'*a'.repeat(60)}*z`)('a'.repeat(600), undefined)).toBe(false);
  expect(testOf('here', 'which', `${'**.'.repeat(60)}z`)('a.'.repeat(600), undefined)).toBe(false);
  expect(testOf('here', 'which', `${'{a,aa,*}'.repeat(60)}z`)('a'.repeat(600), undefined)).toBe(false);
  expect(performance.now() - start).toBeLessThan(5000);
});

it.each([undefined, 1, Promise.resolve(true)])('refuses the answer %s of a function', (answer) => {
  expect(() => testOf('here', 'which', () => answer as never)('a', undefined)).toThrow(
    expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining('return true or false for a') }),
  );
});
