import { type Dion2Options, scaleOf, slicedUpdate } from './dion2.ts';
import { apply, matricesOf, type Parameter, type Statistics } from './step.ts';
import { sumOfSquares } from './sums.ts';

export interface NorDion2Options extends Dion2Options {
  beta2?: number;
  rowEps?: number;
}

/** Dion2 by rows, each row that was taken by the root of its second moment, then each matrix by its norm. */
export function norDion2(
  p: Parameter,
  { momenta, secondMoments }: { momenta: Float64Array; secondMoments: Float64Array },
  options: NorDion2Options,
): Statistics {
  const { beta2 = 0.95, rowEps = 1e-8 } = options;
  const { batch, rows, columns } = matricesOf(p.shape);
  const { update, taken } = slicedUpdate(p, momenta, options, true);
  for (let s = 0; s < batch; s++) {
    const matrix = update.subarray(s * rows * columns, (s + 1) * rows * columns);
    const norm = Math.sqrt(sumOfSquares(matrix));
    for (let i = 0; i < rows; i++) {
      const at = s * rows + i;
      if (!taken.has(at)) continue;
      const row = matrix.subarray(i * columns, (i + 1) * columns);
      const v = beta2 * secondMoments[at]! + ((1 - beta2) * sumOfSquares(row)) / columns;
      secondMoments[at] = v;
      for (const [j, x] of row.entries()) row[j] = x === 0 ? 0 : x / (Math.sqrt(v) + rowEps);
    }
    const now = Math.max(Math.sqrt(sumOfSquares(matrix)), rowEps);
    for (const [j, x] of matrix.entries()) matrix[j] = x === 0 ? 0 : (x * norm) / now;
  }
  return apply(p, update, options.lr * scaleOf(p, options.shapeScale), options);
}
