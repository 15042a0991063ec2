// |gᵢ|² and ⟨gᵢ, ḡ⟩ of the gradients of samples, without all of these gradients at once.
import type { Tensor } from '../../core/tensor.ts';
import type { TapeFrame } from '../tape/frame.ts';
import type { WriteProducts } from '../tape/sample-sums.ts';
import { type Arg, tensorOf } from '../tape/value.ts';

/** By the gradient of one sample after the other, in one buffer: `write(rows, out)`, `rows(x)` being its rows of x. */
export const oneByOne =
  (f: TapeFrame, samples: number, write: (rows: (x: Tensor) => Tensor, out: Tensor) => void): WriteProducts =>
  (mean, squares, dots) => {
    const out = f.scratch(mean.shape, mean.dtype);
    for (let i = 0; i < samples; ++i) {
      const views: Tensor[] = [];
      const rows = (x: Tensor): Tensor => {
        const each = x.shape[0]! / samples;
        views.push(x.rows(i * each, (i + 1) * each));
        return views.at(-1)!;
      };
      try {
        write(rows, out);
        f.ops.dots({ x: [out], y: [out], out: rows(squares) });
        f.ops.dots({ x: [out], y: [mean], out: rows(dots) });
      } finally {
        for (const view of views) view.dispose();
      }
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
  const [a, b] = [0, 1].map(() => f.scratch([samples, rows * rows], 'f64')) as [Tensor, Tensor];
  for (const [of, out] of [
    [x, a],
    [delta, b],
  ] as const) {
    // biome-ignore format: one line
    if (rows === 1) f.ops.rowReduce({ x: of, out: f.view(out, [samples, 1]), reduction: 'sum_of_squares' });
    else f.ops.symmetricProduct({ a: widened(f, of), c: f.view(out, [samples, rows, rows]) });
  }
  f.ops.multiply({ x: [a], y: [b], out: [a] });
  f.ops.rowReduce({ x: a, out: squares });
}

/**
 * Of the weight of a linear layer: gᵢ = alpha Δᵢᵀ Xᵢ, Δᵢ and Xᵢ the rows of a sample. ⟨gᵢ, ḡ⟩ is the sum of
 * alpha Δᵢ ∘ (Xᵢ ḡᵀ); |gᵢ|² comes from products of rows with rows, or, where a sample has so many that these are more
 * than the weight, from one gradient after the other.
 */
export const linearProducts =
  (f: TapeFrame, grad: Tensor, x: Arg, samples: number, alpha = 1): WriteProducts =>
  (mean, squares, dots) => {
    const [delta, input] = [f.samples(grad, samples), f.samples(x, samples)];
    const rows = input.shape[1]!;
    if (rows * rows > mean.size) {
      const write = (of: (x: Tensor) => Tensor, out: Tensor) =>
        f.ops.gemm({ a: of(f.rows(grad)), b: of(f.rows(x)), c: out, alpha, transA: 'transposed' });
      oneByOne(f, samples, write)(mean, squares, dots);
      return;
    }
    const along = f.scratch(f.rows(grad).shape, grad.dtype);
    f.ops.gemm({ a: f.rows(tensorOf(x)), b: mean, c: along, alpha, transB: 'transposed' });
    const [a, b] = [widened(f, along), widened(f, f.rows(grad))];
    f.ops.multiply({ x: [a], y: [b], out: [a] });
    f.ops.rowReduce({ x: f.view(a, [samples, a.size / samples]), out: dots });
    queueSquares(f, input, delta, squares);
    if (alpha !== 1) f.combine(squares, [squares], [alpha * alpha]);
  };
