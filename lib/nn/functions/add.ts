import { type Arg, defineOwn, type Part, ruleOf, tensorOf, type Value } from '../tape/define.ts';

const combined = (name: string, factor: 1 | -1) =>
  defineOwn(
    name,
    (f, x: Arg, y: Arg) => {
      const out = f.buffer(x.shape, x.dtype);
      f.combine(out, [tensorOf(x), tensorOf(y)], [1, factor]);
      const ofY: Part = factor === 1 ? { x: y, back: 'same' } : { x: y, back: (v, to) => f.combine(to, [v], [-1]) };
      return ruleOf(f, out, ofY, { x, back: 'same' });
    },
    ['x', 'y'],
  );

/** x + y, of one shape. @throws ERR_SHAPE, ERR_DTYPE */
export const add: (x: Arg, y: Arg) => Value = combined('add', 1);
/** x − y, of one shape. @throws ERR_SHAPE, ERR_DTYPE */
export const subtract: (x: Arg, y: Arg) => Value = combined('subtract', -1);
