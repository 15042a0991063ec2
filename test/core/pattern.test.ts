// Devices: cpu
import { expect, it } from 'vitest';
import { fitting } from '../../lib/core/pattern.ts';

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
  ['a{b', ['a{b'], ['ab']],
  ['a+(b)|c', ['a+(b)|c'], ['aab', 'c']],
] as [string, string[], string[]][])('%s', (pattern, fit, others) => {
  const fits = fitting(pattern);
  expect(fit.filter((path) => !fits(path))).toEqual([]);
  expect(others.filter(fits)).toEqual([]);
});
