import { callback, checkFinite } from '../core/callbacks.ts';
import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { isListOf } from '../core/options.ts';
import { Owned } from '../core/owned.ts';
import { readOptions, type Schema, watchers } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import type { FlatOperator } from './flat.ts';

/** Options of {@link directionalSharpness}. */
export interface DirectionalSharpnessOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const where = 'directionalSharpness';
const schema: Schema<{ signal: AbortSignal | undefined }> = { signal: watchers<never>().signal };

/** The tensors of a direction, which together have the operator's size, and in a list the shapes that it names. */
function partsOf(operator: LinearOperator & Partial<FlatOperator>, u: Tensor | readonly Tensor[]): readonly Tensor[] {
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

/**
 * Directional sharpness (arXiv 2306.00204): vᵀ A v along v = u / |u|, for a symmetric A such as the Hessian of a loss
 * and u such as the update of an optimizer. A step of length t along u changes the loss by its slope times t and by
 * t² / 2 times this number. One product with the operator; u stays as it is.
 *
 * @param u f32 or f64 as the operator is: `[n]`, or a list of tensors that together have n elements, in order; for an
 * operator of {@link flat} those of the list have the shapes of the parameters.
 * @example
 * const sharpness = await directionalSharpness(flat(nn.oracle(loss, model, batch), 'hessian'), update);
 *
 * @throws ERR_ARGUMENT for what is no operator, for u of length 0 or not finite, for NaN and infinity of the operator
 * and for what it throws; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for one that is not square and for u that does not fit;
 * ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
 */
export async function directionalSharpness(
  operator: LinearOperator,
  u: Tensor | readonly Tensor[],
  options: DirectionalSharpnessOptions = {},
): Promise<number> {
  checkOperator(where, 'operator', operator, true);
  const { signal } = readOptions(where, options, schema);
  const parts = partsOf(operator, u);
  const { device, dtype, shape } = operator;
  using task = new Task<never>(device, { signal });
  using owned = new Owned<Tensor>();
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
  const pair = owned.add(new Tensor(device, [2], 'f64'));
  vectors.dots(
    queue,
    [
      [v, product],
      [v, v],
    ],
    pair,
  );
  const [along, square] = (await task.read(pair)) as unknown as [number, number];
  checkFinite(`${where}: operator.apply`, along);
  return along / square;
}
