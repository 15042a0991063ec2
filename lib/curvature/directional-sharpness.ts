import { checkFinite } from '../core/callbacks.ts';
import { checkOperator, type LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import { readOptions, type Schema, watchers } from '../core/schema.ts';
import { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { partsOf, productAlong } from './along.ts';

/** Options of {@link directionalSharpness}. */
export interface DirectionalSharpnessOptions {
  /** Ends the call with its reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const where = 'directionalSharpness';
const schema: Schema<{ signal: AbortSignal | undefined }> = { signal: watchers<never>().signal };

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
  const parts = partsOf(where, operator, u);
  const { device } = operator;
  using task = new Task<never>(device, { signal });
  using owned = new Owned<Tensor>();
  const { v, product } = await productAlong(where, task, owned, operator, parts);
  const pair = owned.add(new Tensor(device, [2], 'f64'));
  vectors.dots(
    task.queue,
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
