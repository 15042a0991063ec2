import { type Arg, defineOwn, ruleOf, tensorOf, type Value } from '../tape/define.ts';

/** The value without its past: no gradient passes through it. */
export const detach: (x: Arg) => Value = defineOwn(
  'detach',
  (f, x: Arg) => {
    const out = f.buffer(x.shape, x.dtype);
    f.ops.copy({ x: [tensorOf(x)], out: [out] });
    return ruleOf(f, out);
  },
  ['x'],
);
