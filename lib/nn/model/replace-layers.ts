import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { testOf } from '../../core/pattern.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Arg, Value } from '../tape/value.ts';
import { isNode, partsOf } from './tree.ts';

/** A layer of one's own in the place of a linear one: quantized, adapted. {@link linear} calls its `apply`. */
export interface Applied {
  /** The result for a value, differentiated to the parameters and x, or for a tensor. */
  apply(x: Arg): Value;
  /** The tensors that are trained. */
  readonly parameters: readonly Arg[];
  /** The bytes of all that it keeps. */
  readonly byteLength: number;
  /** The weight of a linear layer that does the same. */
  merge?(): Tensor | Promise<Tensor>;
}

/**
 * Exchanges layers of a model in place: each object whose path fits a pattern, `*` within a step of the path and `**`
 * over any number, for what `replace` makes of it. A layer that stands in several places is asked for once; what is
 * inside of one is not asked for. If `replace` throws, the model is as before.
 *
 * @example
 * nn.replaceLayers(model, '**.qkv', (layer) => ({ ...layer, ...make.lora(layer, { rank: 8 }) }));
 *
 * @throws ERR_ARGUMENT where no object fits, for `**` that is no step of its own, and unless `replace` gives objects;
 * what `replace` throws
 */
export function replaceLayers(
  model: object,
  pattern: string,
  // biome-ignore lint/suspicious/noExplicitAny: the caller knows what stands at these paths
  replace: (layer: any, path: string) => object,
): void {
  const where = 'nn.replaceLayers';
  const parts = partsOf(where, model);
  if (typeof pattern !== 'string') throw refusal(where, 'pattern', 'be a pattern', shown(pattern));
  check.callable(where, 'replace', replace);
  const fits = testOf(where, 'pattern', pattern);
  const chosen: typeof parts = [];
  for (const part of parts) {
    const isInside = chosen.some(({ path }) => part.path.startsWith(`${path}.`));
    if (!isInside && isNode(part.value) && fits(part.path, part.value)) chosen.push(part);
  }
  if (chosen.length === 0) throw refusal(where, 'pattern', 'fit the path of an object', shown(pattern));
  const made = new Map<unknown, object>();
  for (const { path, value } of chosen) {
    if (made.has(value)) continue;
    const layer: unknown = replace(value, path);
    if (!isNode(layer)) throw refusal(where, `what is made of ${path}`, 'be an object', shown(layer));
    made.set(value, layer);
  }
  for (const { owner, key, value } of chosen) owner[key] = made.get(value);
}
