import * as check from '../core/check.ts';
import { refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import type { Tensor } from '../core/tensor.ts';

/**
 * A problem of two levels with many lower ones: the smallest mean over i of fᵢ(x, yᵢ*(x)), where gᵢ(x, ·) is least at
 * yᵢ*(x). Each function is about the blocks `ids` alone, all different, with their rows of y, `[ids, dim]`; it writes
 * into `out`, is queued on the device, and leaves all else as it is. It is called at the present point and at the one
 * before, with the same `sample`, and must take the same mini-batches then: that cannot be found out.
 */
export interface BlockOracles {
  /** Number of blocks: whole, from 1 on. */
  readonly count: number;
  /** Numbers of each yᵢ: whole, from 1 on. */
  readonly dim: number;
  /** The upper variables, f32 or f64. */
  readonly x: Tensor;
  /** The lower variables `[count, dim]`, of the same dtype and device. */
  readonly y: Tensor;
  /** out `[ids, dim]` = ∇_y gᵢ. */
  lowerGradientY(ids: Int32Array, x: Tensor, y: Tensor, out: Tensor, sample: number): void | Promise<void>;
  /** out `[ids, dim]` = ∇_y fᵢ. */
  upperGradientY(ids: Int32Array, x: Tensor, y: Tensor, out: Tensor, sample: number): void | Promise<void>;
  /** out, like x, = Σ ∇ₓ fᵢ over the ids. Default: 0. */
  upperGradientX?(ids: Int32Array, x: Tensor, y: Tensor, out: Tensor, sample: number): void | Promise<void>;
  /** out `[ids, dim]` = ∇²_yy gᵢ · vᵢ, for v `[ids, dim]`; variant `v2` asks for it. */
  lowerHessianYY?(ids: Int32Array, x: Tensor, y: Tensor, v: Tensor, out: Tensor, sample: number): void | Promise<void>;
  /** out `[ids, dim, dim]` = ∇²_yy gᵢ, whose lower half is read; variant `v1` asks for it. */
  lowerHessian?(ids: Int32Array, x: Tensor, y: Tensor, out: Tensor, sample: number): void | Promise<void>;
  /** out, like x, = Σ ∇²_xy gᵢ · vᵢ over the ids, for v `[ids, dim]`. */
  lowerJacobianXY(ids: Int32Array, x: Tensor, y: Tensor, v: Tensor, out: Tensor, sample: number): void | Promise<void>;
}

/** @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_UNSUPPORTED unless it has what is asked */
export function checkBlockOracles(
  where: string,
  blocks: unknown,
  curvature: 'lowerHessian' | 'lowerHessianYY',
): asserts blocks is BlockOracles {
  if (!isRecord(blocks)) throw refusal(where, 'blocks', 'be a problem of many blocks', shown(blocks));
  for (const name of ['count', 'dim'] as const) {
    const value = blocks[name];
    if (!(Number.isSafeInteger(value) && (value as number) >= 1))
      throw refusal(where, `blocks.${name}`, 'be a whole number from 1 on', shown(value));
  }
  const { count, dim, x, y } = blocks as unknown as BlockOracles;
  check.tensor(where, 'blocks.x', x, { dtypes: check.arithmetic, filled: true });
  check.tensor(where, 'blocks.y', y, { dtypes: [x.dtype], shape: [count, dim], device: x.device });
  if (x === y) throw refusal(where, 'blocks.y', 'be another tensor than x', 'x');
  for (const name of ['lowerGradientY', 'upperGradientY', 'lowerJacobianXY', curvature]) {
    const code = name === curvature && blocks[name] === undefined ? 'ERR_UNSUPPORTED' : 'ERR_ARGUMENT';
    if (typeof blocks[name] !== 'function')
      throw refusal(where, `blocks.${name}`, 'be a function', shown(blocks[name]), code);
  }
  if (blocks['upperGradientX'] !== undefined && typeof blocks['upperGradientX'] !== 'function')
    throw refusal(where, 'blocks.upperGradientX', 'be a function', shown(blocks['upperGradientX']));
}
