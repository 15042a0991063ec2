import * as check from '../../core/check.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import type { MeasurementOperator } from './operator.ts';

/**
 * Measurements yᵢ = aᵢᵀ X bᵢ, aᵢ and bᵢ the rows of `left` and `right`, f32 or f64: of factors without the matrix. The
 * tensors stay the caller's, and are not copied.
 *
 * @param left `[m, rows]`
 * @param right `[m, columns]`, in dtype and device of `left`
 * @example
 * const measurement = rankOneMeasurement(left, right);
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
 */
export function rankOneMeasurement(left: Tensor, right: Tensor): MeasurementOperator {
  const where = 'rankOneMeasurement';
  check.tensor(where, 'left', left, { dtypes: check.arithmetic, rank: 2, filled: true });
  const { device, dtype } = left;
  const [m, rows] = left.shape as [number, number];
  check.tensor(where, 'right', right, { dtypes: [dtype], shape: [m, undefined], filled: true, device });
  const columns = right.shape[1]!;

  /** outᵢ = the product of rows i, element by element, summed. */
  const rowDots = (x: Tensor, y: Tensor, out: Tensor): void => {
    ops.multiply(device, { x: [x], y: [y], out: [x] });
    ops.rowReduce(device, { x, out, reduction: 'sum' });
  };
  return {
    device,
    dtype,
    shape: [m, rows * columns],
    sides: [rows, columns],
    apply: (x, out) => {
      using matrix = x.reshape([rows, columns]);
      using images = new Tensor(device, [m, columns], dtype);
      ops.gemm(device, { a: left, b: matrix, c: images });
      rowDots(images, right, out);
    },
    adjoint: (y, out) => {
      using scaled = new Tensor(device, [m, columns], dtype);
      using matrix = out.reshape([rows, columns]);
      ops.scaleAxis(device, { x: right, scale: y, out: scaled, axis: 0 });
      ops.gemm(device, { a: left, b: scaled, c: matrix, transA: 'transposed' });
    },
    factors: {
      apply: (f, g, out) => {
        const k = f.shape[1]!;
        using byLeft = new Tensor(device, [m, k], dtype);
        using byRight = new Tensor(device, [m, k], dtype);
        ops.gemm(device, { a: left, b: f, c: byLeft });
        ops.gemm(device, { a: right, b: g, c: byRight });
        rowDots(byLeft, byRight, out);
      },
      adjoint: (y, f, g, outLeft, outRight) => {
        const k = f.shape[1]!;
        using images = new Tensor(device, [m, k], dtype);
        const half = (across: Tensor, factor: Tensor, own: Tensor, out: Tensor): void => {
          ops.gemm(device, { a: across, b: factor, c: images });
          ops.scaleAxis(device, { x: images, scale: y, out: images, axis: 0 });
          ops.gemm(device, { a: own, b: images, c: out, transA: 'transposed' });
        };
        half(right, g, left, outLeft);
        half(left, f, right, outRight);
      },
    },
  };
}
