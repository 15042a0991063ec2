import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../../core/operator.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';

/** Measurements of a matrix given by factors, and what their gradient needs, without the matrix. */
export interface FactorMeasurement {
  /** outᵢ = ⟨Aᵢ, left·rightᵀ⟩: left `[rows, k]`, right `[columns, k]`, out `[m]`. */
  apply(left: Tensor, right: Tensor, out: Tensor): void | Promise<void>;
  /** With E = Σ yᵢ Aᵢ: outLeft = E·right and outRight = Eᵀ·left. */
  adjoint(y: Tensor, left: Tensor, right: Tensor, outLeft: Tensor, outRight: Tensor): void | Promise<void>;
}

/**
 * Linear measurements of a matrix X: yᵢ = ⟨Aᵢ, X⟩ = Σ (Aᵢ)ⱼₖ Xⱼₖ. As an operator it takes the elements of X, row by
 * row, in one vector.
 */
export interface MeasurementOperator extends LinearOperator {
  /** Numbers of measurements and of elements of X. */
  readonly shape: readonly [number, number];
  /** Rows and columns of X. */
  readonly sides: readonly [number, number];
  /** out = Σ yᵢ Aᵢ, where y is `[m]` and out `[rows · columns]`. */
  adjoint(y: Tensor, out: Tensor): void | Promise<void>;
  /** The same for factors, where there is a shorter way than by X. Default: by X. */
  readonly factors?: FactorMeasurement | undefined;
}

/**
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE for what are no measurements; ERR_DISPOSED for those of disposed tensors
 */
export function checkMeasurement(where: string, name: string, value: unknown): asserts value is MeasurementOperator {
  checkOperator(where, name, value);
  const { sides, adjoint, shape } = value as MeasurementOperator;
  if (typeof adjoint !== 'function') throw refusal(where, name, 'have a function adjoint', shown(adjoint));
  if (!Array.isArray(sides) || sides.length !== 2 || sides[0] * sides[1] !== shape[1]) {
    const got = Array.isArray(sides) ? `[${sides}]` : shown(sides);
    throw refusal(where, `${name}.sides`, `be rows and columns of ${shape[1]} elements`, got, 'ERR_SHAPE');
  }
  if ('disposed' in value) check.alive(where, name, value as never as { disposed: boolean });
}

/** The way that measurements of factors take: their own, or by the matrix, whose memory `owned` keeps. */
export function factorsOf(measurement: MeasurementOperator, owned: Owned<Tensor>): FactorMeasurement {
  if (measurement.factors) return measurement.factors;
  const { device, dtype, sides, shape } = measurement;
  const matrix = owned.add(new Tensor(device, sides, dtype));
  const vector = owned.add(matrix.reshape([shape[1]]));
  return {
    apply: (left, right, out) => {
      ops.gemm(device, { a: left, b: right, c: matrix, transB: 'transposed' });
      return measurement.apply(vector, out);
    },
    adjoint: (y, left, right, outLeft, outRight) => {
      const then = (): void => {
        ops.gemm(device, { a: matrix, b: right, c: outLeft });
        ops.gemm(device, { a: matrix, b: left, c: outRight, transA: 'transposed' });
      };
      const done = measurement.adjoint(y, vector);
      return done ? done.then(then) : then();
    },
  };
}
