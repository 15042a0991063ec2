import { ops } from '../../core/native-ops.ts';
import { finite, readOptions, type Schema, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineOwn } from '../tape/define.ts';
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

const own = defineOwn('matmul', (f, x: Arg, y: Arg, isTurnedA: boolean, isTurnedB: boolean, alpha: number) => {
  const { device } = f;
  const [a, b] = [tensorOf(x), tensorOf(y)];
  const word = (isTurned: boolean): Turn => (isTurned ? 'transposed' : 'none');
  const product = (p: Tensor, q: Tensor, c: Tensor, transA: boolean, transB: boolean, beta = 0) =>
    ops.gemm(device, { a: p, b: q, c, alpha, beta, transA: word(transA), transB: word(transB) });
  const out = f.buffer(
    [...a.shape.slice(0, -2), a.shape.at(isTurnedA ? -1 : -2)!, b.shape.at(isTurnedB ? -2 : -1)!],
    x.dtype,
  );
  product(a, b, out, isTurnedA, isTurnedB);
  return {
    out,
    inputs: [x, y],
    backward: (grad, to) => {
      to.add(x, (dx, beta) =>
        isTurnedA ? product(b, grad, dx, isTurnedB, true, beta) : product(grad, b, dx, false, !isTurnedB, beta),
      );
      to.add(y, (dy, beta) =>
        isTurnedB ? product(grad, a, dy, true, isTurnedA, beta) : product(a, grad, dy, !isTurnedA, false, beta),
      );
    },
    tangent: (d, dout) => {
      const [dx, dy] = [d(x), d(y)];
      if (dx) product(dx, b, dout, isTurnedA, isTurnedB);
      if (dy) product(a, dy, dout, isTurnedA, isTurnedB, dx ? 1 : 0);
    },
  };
});

/**
 * alpha · a b, of matrices or of batches of equally many.
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export function matmul(a: Arg, b: Arg, options: MatmulOptions = {}): Value {
  const { transA, transB, alpha } = readOptions('nn.matmul', options, schema);
  return own(a, b, transA === 'transposed', transB === 'transposed', alpha);
}
