import type { Tensor } from '../../core/tensor.ts';
import { rowsAdded } from '../../nn/functions/add-rows.ts';
import { type Arg, defineOwn, freeRuleOf, type Part, tensorOf, type Value } from '../../nn/tape/define.ts';

/** The codes of a matrix, which nothing is differentiated to. */
interface Codes {
  readonly codes: Tensor;
  readonly rowBooks: Tensor;
  readonly bits: number;
}

/** @internal x Wᵀ + bias, differentiated to x, codebooks and bias. */
export const codebookProduct: (x: Arg, codebooks: Arg, bias: Arg | undefined, of: Codes) => Value = defineOwn(
  'codebookLinear',
  (f, x: Arg, codebooks: Arg, bias: Arg | undefined, { codes, rowBooks, bits }: Codes) => {
    const outputs = codes.shape[0]!;
    const books = tensorOf(codebooks);
    const input = f.rows(x);
    const inputs = input.shape[1]!;
    const out = f.buffer([...x.shape.slice(0, -1), outputs], x.dtype);
    const product = (given: Tensor, numbers: Tensor, to: Tensor, beta: 0 | 1, weight?: 'transposed', added?: Tensor) =>
      f.ops.codebookGemm({ x: given, codes, codebooks: numbers, rowBooks, bias: added, out: to, bits, weight, beta });
    product(input, books, f.rows(out), 0, undefined, bias && tensorOf(bias));
    const byBooks: Part = {
      x: codebooks,
      back: (grad, to, beta) => {
        const ofMatrix = f.scratch([outputs, inputs], x.dtype);
        f.ops.gemm({ a: f.rows(grad), b: input, c: ofMatrix, transA: 'transposed' });
        f.ops.codeSums({ codes, rowBooks, x: ofMatrix, sums: to, bits, columns: inputs, beta });
      },
      along: (numbers, to, beta) => product(input, numbers, f.rows(to), beta),
      adds: 'both',
    };
    const byX: Part = {
      x,
      back: (grad, to, beta) => product(f.rows(grad), books, f.rows(to), beta, 'transposed'),
      along: (dx, to, beta) => product(f.rows(dx), books, f.rows(to), beta),
      adds: 'both',
      last: true,
    };
    return freeRuleOf(f, out, byBooks, rowsAdded(f, bias), byX);
  },
);
