import { finite, readOptions, type Schema, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineOwn, type Part, ruleOf } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

type Turn = 'none' | 'transposed';

/** Options of {@link matmul}. */
export interface MatmulOptions {
  /** Default: `none`. */
  transA?: 'none' | 'transposed' | undefined;
  /** Default: `none`. */
  transB?: 'none' | 'transposed' | undefined;
  /** A factor of the product: finite. Default: 1. */
  alpha?: number | undefined;
}

const turn = word<Turn>(['none', 'transposed'], 'none');
const schema: Schema<{ transA: Turn; transB: Turn; alpha: number }> = { transA: turn, transB: turn, alpha: finite(1) };

/**
 * alpha · a b, of matrices or of batches of equally many.
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export const matmul: (a: Arg, b: Arg, options?: MatmulOptions) => Value = defineOwn(
  'matmul',
  (f, a: Arg, b: Arg, options = {}) => {
    const { transA, transB, alpha } = readOptions('nn.matmul', options, schema);
    const [isTurnedA, isTurnedB] = [transA === 'transposed', transB === 'transposed'];
    const word = (isTurned: boolean): Turn => (isTurned ? 'transposed' : 'none');
    const product = (x: Tensor, y: Tensor, c: Tensor, isTurnedX: boolean, isTurnedY: boolean, beta: number) =>
      f.ops.gemm({ a: x, b: y, c, alpha, beta, transA: word(isTurnedX), transB: word(isTurnedY) });
    const [x, y] = [tensorOf(a), tensorOf(b)];
    const sides = [x.shape.at(isTurnedA ? -1 : -2)!, y.shape.at(isTurnedB ? -2 : -1)!];
    const out = f.buffer([...x.shape.slice(0, -2), ...sides], x.dtype);
    product(x, y, out, isTurnedA, isTurnedB, 0);
    const ofA: Part = {
      x: a,
      back: (grad, to, beta) =>
        isTurnedA ? product(y, grad, to, isTurnedB, true, beta) : product(grad, y, to, false, !isTurnedB, beta),
      along: (v, to, beta) => product(v, y, to, isTurnedA, isTurnedB, beta),
      adds: 'both',
    };
    const ofB: Part = {
      x: b,
      back: (grad, to, beta) =>
        isTurnedB ? product(grad, x, to, true, isTurnedA, beta) : product(x, grad, to, !isTurnedA, false, beta),
      along: (v, to, beta) => product(x, v, to, isTurnedA, isTurnedB, beta),
      adds: 'both',
    };
    return ruleOf(f, out, ofA, ofB);
  },
);
