import { finite, readOptions, type Schema, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineOwn, type Part, ruleOf, tensorOf, type Value } from '../tape/define.ts';

type Turn = 'none' | 'transposed';
const other = { none: 'transposed', transposed: 'none' } as const;

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
    const product = (x: Tensor, y: Tensor, c: Tensor, transA: Turn, transB: Turn, beta: number) =>
      f.ops.gemm({ a: x, b: y, c, alpha, beta, transA, transB });
    const [x, y] = [tensorOf(a), tensorOf(b)];
    const sides = [x.shape.at(isTurnedA ? -1 : -2)!, y.shape.at(isTurnedB ? -2 : -1)!];
    const out = f.buffer([...x.shape.slice(0, -2), ...sides], x.dtype);
    product(x, y, out, transA, transB, 0);
    const ofA: Part = {
      x: a,
      back: (grad, to, beta) =>
        isTurnedA
          ? product(y, grad, to, transB, 'transposed', beta)
          : product(grad, y, to, 'none', other[transB], beta),
      along: (v, to, beta) => product(v, y, to, transA, transB, beta),
      adds: 'both',
    };
    const ofB: Part = {
      x: b,
      back: (grad, to, beta) =>
        isTurnedB
          ? product(grad, x, to, 'transposed', transA, beta)
          : product(x, grad, to, other[transA], 'none', beta),
      along: (v, to, beta) => product(x, v, to, transA, transB, beta),
      adds: 'both',
    };
    return ruleOf(f, out, ofA, ofB);
  },
  ['a', 'b'],
);
