import { byRows } from './row-softmax.ts';

/** yⱼ (gradⱼ − Σₖ gradₖ yₖ) in every row. */
export const rowSoftmaxBackward = (grad: ArrayLike<number>, y: ArrayLike<number>, columns: number): Float64Array =>
  byRows(grad, columns, (g, i) => {
    const p = Float64Array.from({ length: columns }, (_, j) => y[i * columns + j]!);
    const mean = g.reduce((sum, a, j) => sum + a * p[j]!, 0);
    return g.map((a, j) => p[j]! * (a - mean));
  });
