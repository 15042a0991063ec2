import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineLoss, tensorOf, type Value } from '../tape/define.ts';
import type { LossWay } from '../tape/rule.ts';

/** The mean of (x − y)², of one shape. @throws ERR_SHAPE, ERR_DTYPE */
export const squaredError: (x: Arg, y: Arg) => Value = defineLoss(
  'squaredError',
  (f, x: Arg, y: Arg) => {
    const n = Math.max(1, tensorOf(x).size);
    const residual = f.buffer(x.shape, x.dtype);
    const out = f.buffer([1], 'f64');
    f.combine(residual, [tensorOf(x), tensorOf(y)], [1, -1]);
    f.ops.dots({ x: [residual], y: [residual], out });
    f.combine(out, [out], [1 / n]);
    /** Hands on 2 / n times a sum to x, and its negative to y. */
    const both = (to: LossWay, terms: readonly Tensor[], coefficients: readonly number[]): void => {
      const scaled = (factor: number) => {
        const all = coefficients.map((c) => (factor * c) / n);
        return (grad: Tensor) => f.combine(grad, terms, all);
      };
      to.set(x, scaled(2));
      to.set(y, scaled(-2));
    };
    return {
      out,
      inputs: [x, y],
      over: 'mean',
      backward: (scale, to) => both(to, [residual], [scale]),
      curvature: (d, to) => {
        const [dx, dy] = [d(x), d(y)];
        const terms = [dx, dy].filter((term) => term !== undefined);
        if (terms.length > 0) both(to, terms, [...(dx ? [1] : []), ...(dy ? [-1] : [])]);
      },
    };
  },
  ['x', 'y'],
);
