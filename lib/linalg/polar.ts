import { filled } from '../core/all-or-none.ts';
import type { Device } from '../core/device.ts';
import type { Dtype } from '../core/dtypes.ts';
import { ops } from '../core/native-ops.ts';
import { type Given, readOptions, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import { sidesOf } from './compute.ts';
import { svdOf } from './factorizations.ts';

/** Options of {@link polar}; all may be left out. */
export interface PolarOptions {
  /**
   * `svd` is right for every rank. `newton-schulz` is products alone, nineteen steps, and for large matrices many times
   * faster; singular values below 1e-6 of the norm stay short of 1. Default `svd`.
   */
  method: 'svd' | 'newton-schulz';
}

const schema: Schema<PolarOptions> = { method: word(['svd', 'newton-schulz'], 'svd') };

// Twelve steps of Jordan's polynomial lift singular values of 1e-6 of the norm into 0.7 … 1.2, from where the cubic
// iteration squares the error at each step.
const lift = Array.from({ length: 12 }, () => [3.4445, -4.775, 2.0315]).flat();
const cubic = Array.from({ length: 7 }, () => [1.5, -0.5, 0]).flat();

/**
 * The nearest matrix with orthonormal columns, or rows where it is wide: U·Vᵀ of the thin singular value decomposition.
 * f32 or f64.
 *
 * @param x [m, n] or [batch, m, n]
 * @throws ERR_ARGUMENT for NaN and infinity, where the method is `svd`; ERR_SHAPE, ERR_DTYPE
 * @example
 * const p = await polar(x);
 */
export async function polar<D extends Dtype>(x: Tensor<D>, options: Given<PolarOptions> = {}): Promise<Tensor<D>> {
  const where = 'polar';
  const sides = sidesOf(where, 'x', x);
  const { batch, rows, columns, smaller } = sides;
  const { method } = readOptions(where, options, schema);
  const { device, dtype, shape } = x;
  if (method === 'newton-schulz') return polarByProducts(device, x);
  const { u, s, v } = await svdOf({ where, name: 'x' }, x, sides);
  s.dispose();
  using ownU = u;
  using ownV = v;
  using left = ownU.reshape([batch, rows, smaller]);
  using right = ownV.reshape([batch, columns, smaller]);
  return filled(Tensor.zeros(device, shape, { dtype }), (out) => {
    using to = out.reshape([batch, rows, columns]);
    ops.gemm(device, { a: left, b: right, c: to, transB: 'transposed' });
  });
}

/** {@link polar} of a matrix or a batch by `newton-schulz`, queued on `queue`, which may be a lane of the device. */
export function polarByProducts<D extends Dtype>(queue: Device, x: Tensor<D>): Tensor<D> {
  const { device, dtype, shape } = x;
  const matrices = [shape.length > 2 ? shape[0]! : 1, ...shape.slice(-2)];
  using from = x.reshape(matrices);
  return filled(new Tensor(device, shape, dtype), (out) => {
    using to = out.reshape(matrices);
    ops.newtonSchulz(queue, { x: from, out: to, coefficients: [...lift, ...cubic], eps: 1e-300 });
  });
}
