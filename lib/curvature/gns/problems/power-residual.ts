import { ops } from '../../../core/native-ops.ts';
import { Owned } from '../../../core/owned.ts';
import { positive, type Resolved, readOptions, type Schema, word } from '../../../core/schema.ts';
import { Tensor } from '../../../core/tensor.ts';
import * as vectors from '../../../core/vectors.ts';
import type { GnsOracle } from '../oracle.ts';
import { atLeast, checkSystem, multiply, paramsOption } from './linear.ts';

/** Options of {@link powerResidual}. */
export interface PowerResidualOptions {
  /** The variable: a list of one tensor `[n]`. It has no default. */
  params: readonly Tensor[];
  /** The power: at least 2. Default: 4. */
  p?: number | undefined;
  /** The Hessian, or of it the Fisher term alone, which has rank one. Default: `hessian`. */
  curvature?: 'hessian' | 'fisher' | undefined;
}

const schema: Schema<Resolved<PowerResidualOptions>> = {
  params: paramsOption,
  p: positive(4),
  curvature: word(['hessian', 'fisher'], 'hessian'),
};

/** |u| counts as this where it is less and an exponent is negative: what that is multiplied by is 0 with u. */
const least = { f32: 1e-30, f64: 1e-150 };

/**
 * The function |a·x − b|ᵖ / p with its curvature |u|ᵖ⁻² aᵀ a + (p − 2) |u|ᵖ⁻⁴ (aᵀ u)(aᵀ u)ᵀ, u = a·x − b, whose second
 * part is the Fisher term, for {@link gnsMinimize} and methods that take an oracle.
 *
 * Memory: of the Fisher term a row of n, which the oracle keeps.
 *
 * @param a `[m, n]`, f32 or f64; it is not copied.
 * @param b `[m]`, of the same dtype.
 * @example
 * const oracle = powerResidual(a, b, { p: 4, params: [x] });
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for options and tensors that do not fit; ERR_DISPOSED
 */
export function powerResidual(a: Tensor, b: Tensor, options: PowerResidualOptions): GnsOracle {
  const where = 'powerResidual';
  const { params, p, curvature } = readOptions(where, options, schema);
  atLeast(where, 'p', p, 2);
  const x = params[0]!;
  checkSystem(where, a, b, x);
  const { device, dtype } = a;
  const [m, n] = a.shape as [number, number];
  const make = (owned: Owned<Tensor>, ...shape: readonly number[]) => owned.add(new Tensor(device, shape, dtype));
  const residual = (owned: Owned<Tensor>): Tensor => {
    const u = make(owned, m);
    multiply(a, x, u);
    vectors.combine(device, u, [1, u], [-1, b]);
    return u;
  };
  /** |u|ᵉ as an f64 on the device. */
  const power = (u: Tensor, exponent: number, out: Tensor): Tensor => {
    vectors.norm(device, u, out);
    const low = least[dtype as 'f32' | 'f64'];
    if (exponent < 0) ops.map(device, { x: [out], out: [out], function: 'clamp', parameters: [low, Infinity] });
    ops.map(device, { x: [out], out: [out], function: 'power', parameters: [exponent] });
    return out;
  };
  const scalar = (owned: Owned<Tensor>): Tensor => owned.add(vectors.scalar(device));
  const value = (out: Tensor): void => {
    using owned = new Owned<Tensor>();
    power(residual(owned), p, out);
    vectors.scale(device, 1 / p, out);
  };
  /** The factor aᵀ u, and what its square is multiplied by. */
  let factor: Tensor | undefined;
  return {
    params: [x],
    value,
    gradient([grad], number) {
      using owned = new Owned<Tensor>();
      const u = residual(owned);
      multiply(a, u, grad!, 'transposed');
      vectors.scale(device, power(u, p - 2, scalar(owned)), grad!);
      if (number) value(number);
    },
    hessianProduct([v], [out]) {
      using owned = new Owned<Tensor>();
      const [u, z, side, along] = [residual(owned), make(owned, m), make(owned, n), scalar(owned)];
      const [first, second] = [power(u, p - 2, scalar(owned)), power(u, p - 4, scalar(owned))];
      multiply(a, v!, z);
      multiply(a, z, out!, 'transposed');
      multiply(a, u, side, 'transposed');
      vectors.dot(device, side, v!, along);
      ops.multiply(device, { x: [along], y: [second], out: [along] });
      vectors.combine(device, out!, [first, out!], [[p - 2, along], side]);
    },
    curvature:
      curvature === 'fisher'
        ? {
            kind: 'lowrank',
            scale: p - 2,
            factor() {
              factor ??= new Tensor(device, [1, n], dtype);
              using owned = new Owned<Tensor>();
              const u = residual(owned);
              multiply(a, u, factor, 'transposed');
              vectors.scale(device, power(u, (p - 4) / 2, scalar(owned)), factor);
              return factor;
            },
          }
        : {
            kind: 'dense',
            matrix(out) {
              using owned = new Owned<Tensor>();
              const u = residual(owned);
              const side = make(owned, 1, n);
              multiply(a, u, side, 'transposed');
              vectors.scale(device, power(u, (p - 4) / 2, scalar(owned)), side);
              ops.gemm(device, { a, b: a, c: out, transA: 'transposed' });
              vectors.scale(device, power(u, p - 2, scalar(owned)), out);
              ops.gemm(device, { a: side, b: side, c: out, transA: 'transposed', alpha: p - 2, beta: 1 });
            },
          },
  };
}
