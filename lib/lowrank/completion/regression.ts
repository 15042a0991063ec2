// The regressions of a round: each line of a sparse matrix in terms of the other side's factor.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { SparseLines } from './data.ts';

/** One side's regression. */
export interface Regression {
  readonly lines: SparseLines;
  /** The other side's factor, `[columns, width]`. */
  readonly x: Tensor;
  /** Taken off the values, by column; or nothing. */
  readonly shift: Tensor | undefined;
  /** The solution, `[lines, width]`. */
  readonly out: Tensor;
  /** f64 [lines], where the residuals are asked for. */
  readonly squares?: Tensor | undefined;
  /** i32 [lines], where lines that have no single solution are asked for. */
  readonly singular?: Tensor | undefined;
}

/** Solves regressions; the ridge is added to their normal equations. */
export type Regress = (regression: Regression) => void | Promise<void>;

/** Solves by normal equations, exact to rounding. */
export const byNormalEquations =
  (queue: Device, ridge: number): Regress =>
  ({ lines, x, shift, out, squares, singular }) => {
    const { starts, columns, values } = lines;
    ops.fitRows(queue, { starts, columns, values, x, shift, out, squares, singular, ridge });
  };
