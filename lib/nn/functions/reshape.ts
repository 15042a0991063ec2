import { type Arg, defineOwn, linearMap, type Value } from '../tape/define.ts';

/** The same elements under another shape. @throws ERR_SHAPE unless it holds as many */
export const reshape: (x: Arg, shape: readonly number[]) => Value = defineOwn(
  'reshape',
  (f, x: Arg, shape: readonly number[]) => {
    const out = f.buffer(f.view(x, shape).shape, x.dtype);
    return linearMap(f, out, x, (v, to) => f.ops.copy({ x: [f.view(v, to.shape)], out: [to] }));
  },
  ['x'],
);
