import { OrthokitError } from '../../core/errors.ts';
import { type Arg, defineOwn, type Part, ruleOf, type TapeFrame, tensorOf, type Value } from '../tape/define.ts';

/** @internal The part of rows that are added to all rows of a result. */
export const rowsAdded = (f: TapeFrame, rows: Arg | undefined) =>
  ({
    x: rows,
    back: (grad, to, beta) => f.ops.columnSum({ x: grad, out: to, beta }),
    along: (v, to, beta) => {
      if (beta === 0) f.ops.fill({ x: [to], value: 0 });
      f.ops.addBias({ x: to, bias: v, out: to });
    },
    perSample: (grad, to, samples) => {
      if (grad.size % to.size > 0)
        throw new OrthokitError(
          'ERR_UNSUPPORTED',
          `perSample must meet rows that every one of ${samples} samples adds, got [${to.shape.slice(1)}]`,
        );
      const width = to.size / samples;
      f.ops.columnReduce({ x: f.view(grad, [samples, grad.size / to.size, width]), out: f.view(to, [samples, width]) });
    },
    adds: 'both',
  }) satisfies Part;

/**
 * x + rows, where rows may lack leading axes of x: positions, biases. x `[…, ...rest]`, rows `[...rest]`.
 * @throws ERR_SHAPE, ERR_DTYPE; ERR_UNSUPPORTED with perSample for rows that not every sample adds
 */
export const addRows: (x: Arg, rows: Arg) => Value = defineOwn(
  'addRows',
  (f, x: Arg, rows: Arg) => {
    const out = f.buffer(x.shape, x.dtype);
    f.ops.addBias({ x: tensorOf(x), bias: tensorOf(rows), out });
    return ruleOf(f, out, rowsAdded(f, rows), { x, back: 'same' });
  },
  ['x', 'rows'],
);
