// Monomials whose products are powers of an inner product: φ(x)·φ(y) = Σⱼ (x·y)ʲ / j!, j up to the degree.
import { filled } from '../../core/all-or-none.ts';
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import { featuresOf } from './certificate.ts';

/**
 * The features of the columns of x, `[width, L]`: `[features, L]`, a new tensor. Of degree j they stand by their last
 * variable i, and are those of degree j − 1 whose last variable is at most i, which stand first, times xᵢ.
 */
export function monomialFeatures(queue: Device, x: Tensor, degree: number): Tensor {
  const [width, length] = x.shape as [number, number];
  const count = featuresOf(width, degree);
  return filled(new Tensor(x.device, [count, length], x.dtype), (out) => {
    using one = out.rows(0, 1);
    ops.fill(queue, { x: [one], value: 1 });
    // 1 / Π cᵢ! of each monomial's exponents, its last variable and that one's exponent.
    const weights = new Float64Array(count);
    weights[0] = 1;
    const last = new Int32Array(count).fill(-1);
    const exponents = new Int32Array(count);
    let before = 0;
    let at = 1;
    for (let j = 1; j <= degree; ++j) {
      const start = at;
      for (let i = 0; i < width; ++i) {
        const size = featuresOf(i, j - 1);
        using row = x.rows(i, i + 1);
        using factor = row.reshape([length]);
        using from = out.rows(before, before + size);
        using to = out.rows(at, at + size);
        ops.scaleAxis(queue, { x: from, scale: factor, out: to });
        for (let m = 0; m < size; ++m) {
          const exponent = last[before + m] === i ? exponents[before + m]! + 1 : 1;
          last[at + m] = i;
          exponents[at + m] = exponent;
          weights[at + m] = weights[before + m]! / exponent;
        }
        at += size;
      }
      before = start;
    }
    const roots = weights.map(Math.sqrt);
    using scale = Tensor.from(x.device, x.dtype === 'f64' ? roots : Float32Array.from(roots), [count]);
    ops.scaleAxis(queue, { x: out, scale, out, axis: 0 });
  });
}
