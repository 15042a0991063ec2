// Parts that the layers of adapters share: frozen tensors, the pass inside and outside of a call, the merged weight.
import { filled } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { type Arg, buffer, forward, type Value } from '../../nn/index.ts';
import { isRunning } from '../../nn/tape/running.ts';

/** The same bytes as a tensor that is saved and not trained; the caller's own stays as it is, trained or not. */
export const frozen = (tensor: Tensor): Tensor => buffer(tensor.reshape(tensor.shape));

/** @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED unless weight and bias are a linear layer's */
export function checkLinear(where: string, weight: Tensor, bias: Tensor | undefined, dtypes: readonly Dtype[]): void {
  check.tensor(where, 'weight', weight, { rank: 2, dtypes, filled: true });
  const { device, dtype, shape } = weight;
  if (bias !== undefined) check.tensor(where, 'bias', bias, { dtypes: [dtype], shape: [shape[0]], device });
}

/** @throws ERR_ARGUMENT for a rank above the smaller side */
export function checkRank(where: string, rank: number, { shape }: Tensor): void {
  const most = Math.min(...shape);
  if (rank > most) throw refusal(where, 'rank', `be at most ${most}, the smaller side of the weight`, rank);
}

/** A layer, as its pass outside of a call needs it. */
interface Passing {
  /** Any of its tensors that is trained. */
  readonly parameters: readonly Arg[];
}

/** The pass of a layer: inside of a call of `nn` a value, outside of one a new tensor, the caller's. */
export function applied(
  where: string,
  layer: Passing,
  x: Arg,
  inputs: number,
  pass: (x: Arg) => Value,
): Tensor & Value {
  if (isRunning()) return pass(x) as Tensor & Value;
  const [{ dtype, device }] = layer.parameters as readonly [Tensor];
  check.tensor(where, 'x', x, { dtypes: [dtype], device });
  if (x.shape.at(-1) !== inputs)
    throw refusal(where, 'x', `have a last axis of ${inputs}`, `[${x.shape}]`, 'ERR_SHAPE');
  using run = forward((_: object, given: Tensor) => pass(given));
  return run(layer.parameters as readonly Tensor[], x).copy() as Tensor & Value;
}

/** weight + scale · b·a, rounded once to its dtype: a new tensor. */
export const plusProduct = (weight: Tensor, scale: number, b: Tensor, a: Tensor): Tensor =>
  filled(new Tensor(weight.device, weight.shape, weight.dtype), (out) =>
    ops.gemm(weight.device, { a: b, b: a, c: out, addend: weight, alpha: scale, beta: 1 }),
  );

/** A new tensor like the weight, of numbers that are uniform between −bound and bound, drawn in f32 or f64. */
export function uniform(
  { device, dtype }: Tensor,
  shape: readonly number[],
  bound: number,
  place: { readonly seed: number; readonly stream?: number },
): Tensor {
  const work = dtype === 'f64' ? 'f64' : 'f32';
  using drawn = Tensor.rand(device, shape, { ...place, dtype: work });
  using shift = Tensor.full(device, shape, -bound, { dtype: work });
  vectors.combine(device, drawn, [2 * bound, drawn], [1, shift]);
  return drawn.cast(dtype);
}

/** The bytes of all tensors of a layer. */
export const bytesOf = (...tensors: readonly (Tensor | undefined)[]): number =>
  tensors.reduce((sum, tensor) => sum + (tensor?.byteLength ?? 0), 0);
