import { ops } from '../../../core/native-ops.ts';
import { Owned } from '../../../core/owned.ts';
import { positive, type Resolved, readOptions, type Schema, word } from '../../../core/schema.ts';
import { Tensor } from '../../../core/tensor.ts';
import * as vectors from '../../../core/vectors.ts';
import type { GnsOracle } from '../oracle.ts';
import { checkSystem, multiply, paramsOption } from './linear.ts';

/** Options of {@link logSumExp}. */
export interface LogSumExpOptions {
  /** The variable: a list of one tensor `[n]`. It has no default. */
  params: readonly Tensor[];
  /** The width µ of the maximum: > 0. Default: 1. */
  mu?: number | undefined;
  /** The Hessian, or what of it the weighted Gauss–Newton matrix aᵀ diag(p) a / µ has. Default: `gauss-newton`. */
  curvature?: 'gauss-newton' | 'hessian' | undefined;
}

const schema: Schema<Resolved<LogSumExpOptions>> = {
  params: paramsOption,
  mu: positive(1),
  curvature: word(['gauss-newton', 'hessian'], 'gauss-newton'),
};

/**
 * The function µ ln Σᵢ exp((aᵢ·x − bᵢ) / µ), a smooth maximum, with its curvature, for {@link gnsMinimize} and methods
 * that take an oracle.
 *
 * @param a `[m, n]`, f32 or f64; it is not copied.
 * @param b `[m]`, of the same dtype.
 * @example
 * const oracle = logSumExp(a, b, { mu: 0.1, params: [x] });
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for options and tensors that do not fit; ERR_DISPOSED
 */
export function logSumExp(a: Tensor, b: Tensor, options: LogSumExpOptions): GnsOracle {
  const where = 'logSumExp';
  const { params, mu, curvature } = readOptions(where, options, schema);
  const x = params[0]!;
  checkSystem(where, a, b, x);
  const { device, dtype } = a;
  const [m, n] = a.shape as [number, number];
  const make = (owned: Owned<Tensor>, ...shape: readonly number[]) => owned.add(new Tensor(device, shape, dtype));
  /** (a·x − b) / µ as a row. */
  const exponents = (owned: Owned<Tensor>): Tensor => {
    const row = make(owned, 1, m);
    const z = owned.add(row.reshape([m]));
    multiply(a, x, z);
    vectors.combine(device, z, [1 / mu, z], [-1 / mu, b]);
    return row;
  };
  const probabilities = (owned: Owned<Tensor>): Tensor => {
    const row = exponents(owned);
    ops.rowSoftmax(device, { x: row, out: row });
    return owned.add(row.reshape([m]));
  };
  const value = (out: Tensor): void => {
    using owned = new Owned<Tensor>();
    const sum = make(owned, 1);
    ops.rowLogsumexp(device, { x: exponents(owned), out: sum });
    ops.cast(device, { x: [sum], out: [out] });
    vectors.scale(device, mu, out);
  };
  /** out = H v */
  const product = (v: Tensor, out: Tensor, isWhole: boolean): void => {
    using owned = new Owned<Tensor>();
    const [p, z, mean] = [probabilities(owned), make(owned, m), owned.add(vectors.scalar(device))];
    multiply(a, v, z);
    vectors.dot(device, p, z, mean);
    ops.multiply(device, { x: [z], y: [p], out: [z] });
    if (isWhole) vectors.combine(device, z, [1, z], [[-1, mean], p]);
    multiply(a, z, out, 'transposed', 1 / mu);
  };
  return {
    params: [x],
    value,
    gradient([grad], number) {
      using owned = new Owned<Tensor>();
      multiply(a, probabilities(owned), grad!, 'transposed');
      if (number) value(number);
    },
    hessianProduct: ([v], [out]) => product(v!, out!, true),
    gaussNewtonProduct: ([v], [out]) => product(v!, out!, false),
    curvature: {
      kind: 'dense',
      matrix(out) {
        using owned = new Owned<Tensor>();
        const p = probabilities(owned);
        const scaled = make(owned, m, n);
        ops.scaleAxis(device, { x: a, scale: p, out: scaled, axis: 0 });
        ops.gemm(device, { a, b: scaled, c: out, transA: 'transposed', alpha: 1 / mu });
        if (curvature === 'gauss-newton') return;
        const mean = make(owned, 1, n);
        multiply(a, p, mean, 'transposed');
        ops.gemm(device, { a: mean, b: mean, c: out, transA: 'transposed', alpha: -1 / mu, beta: 1 });
      },
    },
  };
}
