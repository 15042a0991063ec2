// Projections that take each row by itself; a vector is one row. They are queued, and done in place.
import * as check from '../../core/check.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { checkValues, notNegative } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE unless x is a vector or a matrix */
export function checkRows(where: string, x: unknown, dtypes: readonly Dtype[] = check.floating): asserts x is Tensor {
  check.tensor(where, 'x', x, { dtypes });
  if (x.shape.length === 1 || x.shape.length === 2) return;
  throw refusal(where, 'x', 'be a vector or a matrix', `[${x.shape}]`, 'ERR_SHAPE');
}

/** The vector as a matrix of one row, the matrix as itself: a view that is the caller's to dispose. */
export const asRows = (x: Tensor): Tensor => x.reshape(x.shape.length === 1 ? [1, x.size] : x.shape);

function inRows(where: string, x: Tensor, set: 'simplex' | 'l1_ball' | 'ball', name: string, size: number): void {
  checkRows(where, x);
  checkValues(where, { [name]: size }, { [name]: notNegative(0) });
  using rows = asRows(x);
  ops.projectRows(x.device, { x: rows, out: rows, set, size });
}

/**
 * x = the nearest point with ‖x‖₂ ≤ `radius`, for each row. In place, queued; a row in the ball keeps its bits, one
 * that is not finite becomes NaN.
 *
 * @param x [n] or [rows, n], f32, f64, f16 or bf16; computed in f64
 * @param radius Finite, not negative.
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED
 * @example
 * project.ball(x, 1);
 */
export function ball(x: Tensor, radius: number): void {
  inRows('project.ball', x, 'ball', 'radius', radius);
}

/**
 * x = the nearest point with Σ|xⱼ| ≤ `radius`, for each row; exactly, as {@link simplex}. In place, queued; a row in
 * the ball keeps its bits, one that is not finite becomes NaN.
 *
 * @param x [n] or [rows, n], f32, f64, f16 or bf16; computed in f64
 * @param radius Finite, not negative.
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED
 * @example
 * project.l1Ball(x, 0.5);
 */
export function l1Ball(x: Tensor, radius: number): void {
  inRows('project.l1Ball', x, 'l1_ball', 'radius', radius);
}

/**
 * x = the nearest point with xⱼ ≥ 0 and Σ xⱼ = `total`, for each row; exactly, by finitely many steps. In place,
 * queued; a row that is not finite becomes NaN.
 *
 * Source: Michelot 1986.
 *
 * @param x [n] or [rows, n], f32, f64, f16 or bf16; computed in f64
 * @param total Finite, not negative. Default 1.
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED
 * @example
 * project.simplex(weights);
 */
export function simplex(x: Tensor, total = 1): void {
  inRows('project.simplex', x, 'simplex', 'total', total);
}

/**
 * x = the nearest point with a·x ≤ `b`, for each row. In place, queued; a row in the halfspace keeps its bits, one that
 * is not finite becomes NaN, and so do all where the halfspace is empty: a is 0, and b negative.
 *
 * @param x [n] or [rows, n], f32, f64, f16 or bf16; computed in f64
 * @param a [n], of the dtype of x.
 * @param b Finite.
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED
 * @example
 * project.halfspace(x, a, 1);
 */
export function halfspace(x: Tensor, a: Tensor, b: number): void {
  const where = 'project.halfspace';
  checkRows(where, x);
  const { device, dtype, shape } = x;
  check.tensor(where, 'a', a, { dtypes: [dtype], shape: [shape.at(-1)], device });
  if (!Number.isFinite(b)) throw refusal(where, 'b', 'be a finite number', shown(b));
  using rows = asRows(x);
  ops.projectRows(device, { x: rows, out: rows, normal: a, set: 'halfspace', size: b });
}
