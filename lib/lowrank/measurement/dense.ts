import * as check from '../../core/check.ts';
import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { MeasurementOperator } from './operator.ts';

/**
 * Measurements by any matrices: yᵢ = ⟨Aᵢ, X⟩, Aᵢ the i-th of `matrices`, f32 or f64. The tensor stays the caller's, and
 * is not copied.
 *
 * @param matrices `[m, rows, columns]`
 * @example
 * const measurement = denseMeasurement(Tensor.randn(device, [400, 20, 20], { seed: 1, dtype: 'f64' }));
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED
 */
export function denseMeasurement(matrices: Tensor): MeasurementOperator {
  const where = 'denseMeasurement';
  check.tensor(where, 'matrices', matrices, { dtypes: check.arithmetic, rank: 3, filled: true });
  const { device, dtype, shape } = matrices;
  const [m, rows, columns] = shape as [number, number, number];
  const size = rows * columns;
  const product = (x: Tensor, out: Tensor, transA: 'none' | 'transposed'): void => {
    using a = matrices.reshape([m, size]);
    using b = x.reshape([x.size, 1]);
    using c = out.reshape([out.size, 1]);
    ops.gemm(device, { a, b, c, transA });
  };
  return {
    device,
    dtype,
    shape: [m, size],
    sides: [rows, columns],
    apply: (x, out) => product(x, out, 'none'),
    adjoint: (y, out) => product(y, out, 'transposed'),
  };
}
