import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { testOf } from '../../core/pattern.ts';
import type { Tensor } from '../../core/tensor.ts';
import { places } from './tree.ts';

const buffers = new WeakSet<Tensor>();
let marks = 0;
/** The number of times that tensors were marked: parameters that were found before may be none since. */
export const bufferMarks = (): number => marks;

/**
 * Marks a tensor that is saved and not trained: running moments, masks. Integer tensors are that without a mark.
 * @returns The tensor.
 * @throws ERR_ARGUMENT for what is no tensor; ERR_DISPOSED
 */
export function buffer<T extends Tensor>(tensor: T): T {
  check.tensor('nn.buffer', 'tensor', tensor);
  buffers.add(tensor);
  marks += 1;
  return tensor;
}

export const isBuffer = (tensor: Tensor): boolean =>
  buffers.has(tensor) || tensor.dtype === 'i32' || tensor.dtype === 'u8';

/** The parameters of a model and their paths: of tied weights the first. */
export function parameterPaths(where: string, model: unknown): Map<Tensor, string> {
  const found = new Map<Tensor, string>();
  for (const [tensor, [path]] of places(where, model)) if (!isBuffer(tensor)) found.set(tensor, path!);
  return found;
}

/**
 * The tensors of a model that are trained, each once, in the order of its fields.
 * @throws ERR_ARGUMENT for what is no object, and for tensors in a `Map` or a `Set`
 */
export const parameters = (model: object): Tensor[] => [...parameterPaths('nn.parameters', model).keys()];

/**
 * All tensors of a model by path, `{ 'blocks.0.qkv.weight': … }`, as `saveTensors` takes them. Of tied weights
 * the first path stands for all.
 * @throws ERR_ARGUMENT for what is no object, and for tensors in a `Map` or a `Set`
 */
export function named(model: object): Record<string, Tensor> {
  return Object.fromEntries([...places('nn.named', model)].map(([tensor, [path]]) => [path!, tensor]));
}

/**
 * The parameters whose path fits a pattern, `*` within a step of the path, `**` over any number and `{a,b}` for either,
 * or for which a predicate holds, by path. Optimizers take such records.
 *
 * @example
 * const matrices = nn.select(model, (path, t) => t.shape.length === 2 && !path.startsWith('tokens'));
 * const optimizer = new Muon(matrices, { lr: 0.02 });
 *
 * @throws ERR_ARGUMENT for what is no object, neither pattern nor predicate, for `**` that is no step of its own, for a
 * predicate's answer that is no boolean, and where nothing fits
 */
export function select(
  model: object,
  which: string | ((path: string, tensor: Tensor) => boolean),
): Record<string, Tensor> {
  if (typeof which !== 'string' && typeof which !== 'function')
    throw refusal('nn.select', 'which', 'be a pattern or a function', shown(which));
  const fits = testOf('nn.select', 'which', which);
  const all = [...parameterPaths('nn.select', model)];
  const chosen = all.filter(([tensor, path]) => fits(path, tensor));
  if (chosen.length === 0) throw refusal('nn.select', 'which', `fit one of ${all.length} parameters`, shown(which));
  return Object.fromEntries(chosen.map(([tensor, path]) => [path, tensor]));
}
