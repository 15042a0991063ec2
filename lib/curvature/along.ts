import { callback } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import type { LinearOperator } from '../core/operator.ts';
import { isListOf } from '../core/options.ts';
import type { Owned } from '../core/owned.ts';
import type { Task } from '../core/task.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { FlatOperator } from './flat.ts';

/** A direction: `[n]`, or tensors that together have n elements. */
export type Direction = Tensor | readonly Tensor[];

/** The tensors of a direction, which together have the operator's size, and in a list the shapes that it names. */
export function partsOf(
  where: string,
  operator: LinearOperator & Partial<FlatOperator>,
  u: Direction,
): readonly Tensor[] {
  const { device, dtype, shape, shapes } = operator;
  const isList = !isTensor(u) && isListOf(u, isTensor) && u.length > 0;
  const parts = isList ? u : [u as Tensor];
  for (const [i, part] of parts.entries())
    check.tensor(where, isList ? `u[${i}]` : 'u', part, {
      dtypes: [dtype],
      device,
      ...(isList && shapes?.[i] && { shape: shapes[i] }),
    });
  if (isList && shapes && parts.length !== shapes.length)
    throw refusal(where, 'u', `have ${shapes.length} tensors`, parts.length, 'ERR_SHAPE');
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  if (size !== shape[1]) throw refusal(where, 'u', `have ${shape[1]} elements`, size, 'ERR_SHAPE');
  return parts;
}

/** v, a multiple of u of length 1 but for rounding, and A v; both `[n]`, owned. */
export async function productAlong(
  where: string,
  task: Task<never>,
  owned: Owned<Tensor>,
  operator: LinearOperator,
  parts: readonly Tensor[],
): Promise<{ v: Tensor; product: Tensor }> {
  const { device, dtype, shape } = operator;
  const { queue } = task;
  const make = () => owned.add(new Tensor(device, [shape[0]], dtype));
  const [v, product, number] = [make(), make(), owned.add(vectors.scalar(device))];
  let end = 0;
  for (const part of parts) {
    const place = owned.add(v.rows(end, end + part.size));
    ops.copy(queue, { x: [owned.add(part.reshape([part.size]))], out: [place] });
    end += part.size;
  }
  ops.norms(queue, { x: [v], out: number });
  const length = (await task.read(number))[0]!;
  if (!(length > 0 && length < Infinity)) throw refusal(where, 'u', 'have a finite length above 0', length);
  // In two steps, each of which is a number of the dtype, however small u is.
  for (let step = 0; step < 2; ++step) vectors.scale(queue, 1 / Math.sqrt(length), v);
  await callback(task, `${where}: operator.apply`, [v, product], () => operator.apply(v, product));
  return { v, product };
}
