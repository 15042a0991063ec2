import { ops } from '../../core/native-ops.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** The value without its past: no gradient passes through it. */
export const detach: (x: Arg) => Value = defineOwn('detach', (f, x: Arg) => {
  const out = f.buffer(x.shape, x.dtype);
  ops.copy(f.device, { x: [tensorOf(x)], out: [out] });
  return { out, inputs: [], backward: () => {} };
});
