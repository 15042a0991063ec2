import { defineOwn, ruleOf } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** The value without its past: no gradient passes through it. */
export const detach: (x: Arg) => Value = defineOwn('detach', (f, x: Arg) => {
  const out = f.buffer(x.shape, x.dtype);
  f.ops.copy({ x: [tensorOf(x)], out: [out] });
  return ruleOf(f, out);
});
