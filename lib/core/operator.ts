import * as check from './check.ts';
import type { Device } from './device.ts';
import type { Dtype } from './dtypes.ts';
import { refusal, shown } from './errors.ts';
import { isRecord } from './options.ts';
import type { Tensor } from './tensor.ts';

/** A linear map between vectors on a device. Both ways are queued there; neither may dispose of what it is given. */
export interface LinearOperator<D extends Dtype = Dtype> {
  /** The device of its vectors. */
  readonly device: Device;
  /** The dtype of its vectors, `'f32'` or `'f64'`. */
  readonly dtype: D;
  /** Rows and columns, m and n. */
  readonly shape: readonly [number, number];
  /** out = A x, where x is `[n]` and out `[m]`. */
  apply(x: Tensor, out: Tensor): void | Promise<void>;
  /** out = Aᵀ y, where y is `[m]` and out `[n]`. */
  adjoint?(y: Tensor, out: Tensor): void | Promise<void>;
}

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE for what is no operator that a method takes */
export function checkOperator(
  where: string,
  name: string,
  value: unknown,
  isSquare = false,
): asserts value is LinearOperator {
  const wrong = (must: string, got: string) => refusal(where, name, must, got);
  if (!isRecord(value)) throw wrong('be an operator', shown(value));
  check.device(where, `${name}.device`, value['device']);
  if (typeof value['apply'] !== 'function') throw wrong('have a function apply', shown(value['apply']));
  const { dtype, shape } = value as unknown as LinearOperator;
  if (!check.arithmetic.some((one) => one === dtype))
    throw refusal(where, `${name}.dtype`, 'be f32 or f64', shown(dtype), 'ERR_DTYPE');
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    const must = 'be two sizes from 1 on';
    throw refusal(where, `${name}.shape`, must, Array.isArray(shape) ? `[${shape}]` : shown(shape), 'ERR_SHAPE');
  }
  if (isSquare && shape[0] !== shape[1]) throw refusal(where, name, 'be square', `[${shape}]`, 'ERR_SHAPE');
}
