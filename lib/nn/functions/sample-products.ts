// |gᵢ|² and ⟨gᵢ, ḡ⟩ of the gradients of samples, without all of these gradients at once.
import { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Arg, type TapeFrame, tensorOf } from '../tape/define.ts';
import type { WriteProducts } from '../tape/sample-sums.ts';

/** Sums of segmentReduce; of them x·x and x·y are wanted. */
const [columns, first] = [6, 3];
/** Elements of the gradients that are there at once: so many stay in cache. */
const atOnce = 2 ** 18;

/** Takes the rows that some samples have of a tensor, whose first axis holds as many of each sample. */
type RowsOf = (x: Tensor) => Tensor;

/**
 * Products by the gradients of a few samples after those of others, in one buffer. `write(rowsOf, out)` makes out
 * `[count, …]`, of `most` samples or less.
 */
export const inParts =
  (f: TapeFrame, samples: number, most: number, write: (rowsOf: RowsOf, out: Tensor) => void): WriteProducts =>
  (mean, squares, dots) => {
    const count = Math.max(1, Math.min(samples, most, Math.floor(atOnce / mean.size)));
    const buffer = f.scratch([count, ...mean.shape], mean.dtype);
    const [sums, turned] = [f.scratch([samples, columns], 'f64'), f.scratch([columns, samples], 'f64')];
    for (let from = 0; from < samples; from += count) {
      using views = new Owned<Tensor>();
      const to = Math.min(samples, from + count);
      const rowsOf = (x: Tensor): Tensor => {
        const each = x.shape[0]! / samples;
        return views.add(x.rows(from * each, to * each));
      };
      const out = views.add(buffer.rows(0, to - from));
      write(rowsOf, out);
      const x = Array.from({ length: to - from }, (_, i) =>
        views.add(views.add(out.rows(i, i + 1)).reshape(mean.shape)),
      );
      f.ops.segmentReduce({ x, y: x.map(() => mean), out: rowsOf(sums) });
    }
    f.ops.transpose({ x: sums, out: turned });
    for (const [i, to] of [squares, dots].entries()) {
      using row = turned.rows(first + i, first + i + 1);
      f.ops.copy({ x: [f.view(row, [samples])], out: [to] });
    }
  };

/** The elements in f64, where products of numbers of f32 keep their range. */
function widened(f: TapeFrame, x: Tensor): Tensor {
  const wide = f.scratch(x.shape, 'f64');
  f.ops.cast({ x: [x], out: [wide] });
  return wide;
}

/** squares = Σ (Xᵢ Xᵢᵀ) ∘ (Δᵢ Δᵢᵀ), which for one row a sample is |xᵢ|² |δᵢ|². */
function queueSquares(f: TapeFrame, x: Tensor, delta: Tensor, squares: Tensor): void {
  const [samples, rows] = x.shape as [number, number];
  const [a, b] = [x, delta].map((of) => {
    const out = f.scratch([samples, rows, rows], 'f64');
    if (rows === 1) f.ops.rowReduce({ x: of, out: f.view(out, [samples, 1]), reduction: 'sum_of_squares' });
    else f.ops.symmetricProduct({ a: widened(f, of), c: out });
    return out;
  }) as [Tensor, Tensor];
  f.ops.multiply({ x: [a], y: [b], out: [a] });
  f.ops.rowReduce({ x: f.view(a, [samples, rows * rows]), out: squares });
}

/** ⟨gᵢ, ḡ⟩ = the sum of alpha Δᵢ ∘ (Xᵢ ḡᵀ). */
function queueDots(f: TapeFrame, x: Tensor, grad: Tensor, alpha: number, mean: Tensor, dots: Tensor): void {
  const along = f.scratch(grad.shape, grad.dtype);
  f.ops.gemm({ a: x, b: mean, c: along, alpha, transB: 'transposed' });
  const [a, b] = [widened(f, along), widened(f, grad)];
  f.ops.multiply({ x: [a], y: [b], out: [a] });
  f.ops.rowReduce({ x: f.view(a, [dots.size, a.size / dots.size]), out: dots });
}

/** Rows of a sample from which on its gradient is made: then it costs no more than products of its rows. */
const manyRows = 48;

/**
 * Products of the gradients of a linear layer's weight: gᵢ = alpha Δᵢᵀ Xᵢ, Δᵢ and Xᵢ the rows of a sample. Of few rows
 * no gradient is made, of many those of a few samples at once.
 */
export const linearProducts =
  (f: TapeFrame, grad: Tensor, x: Arg, samples: number, alpha = 1): WriteProducts =>
  (mean, squares, dots) => {
    const [delta, input] = [f.samples(grad, samples), f.samples(x, samples)];
    if (input.shape[1]! >= manyRows) {
      const write = (rowsOf: RowsOf, out: Tensor) =>
        f.ops.gemm({ a: rowsOf(delta), b: rowsOf(input), c: out, alpha, transA: 'transposed' });
      inParts(f, samples, samples, write)(mean, squares, dots);
      return;
    }
    queueDots(f, f.rows(tensorOf(x)), f.rows(grad), alpha, mean, dots);
    queueSquares(f, input, delta, squares);
    if (alpha !== 1) f.combine(squares, [squares], [alpha * alpha]);
  };
