// Operators whose products are known: diagonal matrices, and vectors in f64 for them.
import type { LinearOperator } from '../../lib/curvature/index.ts';
import { type Device, ops, Tensor } from '../../lib/index.ts';

export function diagonalOn(device: Device, values: readonly number[], dtype: 'f32' | 'f64' = 'f64'): LinearOperator {
  const scale = Tensor.from(device, values, [values.length], { dtype });
  const shape = [values.length, values.length] as const;
  return { device, dtype, shape, apply: (x, out) => ops.multiply(device, { x: [x], y: [scale], out: [out] }) };
}

export const f64On = (device: Device, values: readonly number[]): Tensor =>
  Tensor.from(device, Float64Array.from(values), [values.length]);
