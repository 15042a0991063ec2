import { refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import { checkParams } from '../core/params.ts';
import type { Tensor } from '../core/tensor.ts';

/**
 * A problem of two levels: the smallest f(x, y*(x)), where y*(x) is where g(x, ·) is least. Each function works at the
 * present x and y, writes into tensors that it is given, and is queued on their device; none may write x and y.
 * `sample` names the mini-batch.
 */
export interface BilevelOracle {
  /** The upper variables, f32 or f64, of one device. */
  readonly x: readonly Tensor[];
  /** The lower variables, of the same dtype and device. */
  readonly y: readonly Tensor[];
  /** out = ∇_y g. */
  lowerGradientY(out: readonly Tensor[], sample?: number): void | Promise<void>;
  /** out = ∇_x g. */
  lowerGradientX?(out: readonly Tensor[], sample?: number): void | Promise<void>;
  /** out = f, f64 of one element. */
  upperValue?(out: Tensor): void | Promise<void>;
  /** out = ∇_x f. */
  upperGradientX(out: readonly Tensor[], sample?: number): void | Promise<void>;
  /** out = ∇_y f. */
  upperGradientY(out: readonly Tensor[], sample?: number): void | Promise<void>;
  /** out = ∇²_yy g · v, all like y. */
  lowerHessianYY?(v: readonly Tensor[], out: readonly Tensor[], sample?: number): void | Promise<void>;
  /** out = ∇²_xy g · v, with v like y and out like x. */
  lowerJacobianXY?(v: readonly Tensor[], out: readonly Tensor[], sample?: number): void | Promise<void>;
}

/** The functions of an oracle. */
export type BilevelFunction = Exclude<keyof BilevelOracle, 'x' | 'y'>;

/** @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_UNSUPPORTED unless it has what is asked */
export function checkBilevelOracle(
  where: string,
  oracle: unknown,
  needed: readonly BilevelFunction[],
): asserts oracle is BilevelOracle {
  if (!isRecord(oracle)) throw refusal(where, 'oracle', 'be an oracle of two levels', shown(oracle));
  checkParams(where, 'oracle.x', oracle['x']);
  checkParams(where, 'oracle.y', oracle['y']);
  const [x, y] = [oracle['x'][0]!, oracle['y'][0]!];
  if (y.device !== x.device) throw refusal(where, 'oracle.y', 'be on the device of oracle.x', 'another', 'ERR_DEVICE');
  if (y.dtype !== x.dtype) throw refusal(where, 'oracle.y', `be ${x.dtype} as oracle.x is`, y.dtype, 'ERR_DTYPE');
  for (const [i, one] of oracle['y'].entries())
    if (oracle['x'].includes(one)) throw refusal(where, `oracle.y[${i}]`, 'be none of oracle.x', 'one of them');
  for (const name of needed) {
    if (typeof oracle[name] === 'function') continue;
    const code = name === 'lowerGradientY' || name.startsWith('upperGradient') ? 'ERR_ARGUMENT' : 'ERR_UNSUPPORTED';
    throw refusal(where, 'oracle', `have a function ${name}`, shown(oracle[name]), code);
  }
}
