import { refusal, shown } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { buffer, isBuffer } from './parameters.ts';
import { joined, places, replaced } from './tree.ts';

/**
 * The same model with each tensor replaced by what `f` gives; methods stay. A tensor in several places is asked for
 * once. What is made of a {@link buffer} is one.
 *
 * @example
 * const copy = nn.mapTensors(model, (tensor) => tensor.cast('f64'));
 *
 * @throws ERR_ARGUMENT for what is no object or no function, and for tensors in a `Map` or a `Set`; what `f` throws
 */
export function mapTensors<M extends object>(model: M, f: (tensor: Tensor, path: string) => Tensor): M {
  if (typeof f !== 'function') throw refusal('nn.mapTensors', 'f', 'be a function', shown(f));
  const made = new Map<Tensor, Tensor>();
  for (const [tensor, [path]] of places('nn.mapTensors', model)) {
    const copy = f(tensor, path!);
    made.set(tensor, isBuffer(tensor) ? buffer(copy) : copy);
  }
  return replaced(model, (tensor) => made.get(tensor)) as M;
}

/**
 * Frozen weights and trained ones as one model: what stands in both is the second's. Neither is changed; lists, records
 * and objects with tensors of both are joined in turn.
 *
 * @example
 * const step = nn.valueAndGrad((adapters: Adapters, ids: Tensor) => loss(nn.join(base, adapters), ids));
 */
export const join = <A extends object, B extends object>(frozen: A, trained: B): A & B =>
  joined(frozen, trained) as A & B;
