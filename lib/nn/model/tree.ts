// A model is any object. Its tensors, found by walking fields and lists, are its parameters, and paths their names.

import * as check from '../../core/check.ts';
import { Device } from '../../core/device.ts';
import { OrthokitError, shown } from '../../core/errors.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';

type Fields = Record<string, unknown>;

const isNode = (x: unknown): x is Fields =>
  typeof x === 'object' && x !== null && !isTensor(x) && !ArrayBuffer.isView(x) && !(x instanceof Device);

/** True for a `Map` or a `Set`, whose elements have no names, that holds a tensor. */
function holdsTensor(x: unknown): boolean {
  if (x instanceof Map) return [...x].some(([key, value]) => isTensor(key) || isTensor(value));
  return x instanceof Set && [...x].some((value) => isTensor(value));
}

/**
 * The paths of every tensor, in the order of fields. A tensor that stands in several places, such as tied weights, has
 * as many paths. An object that holds itself is walked once.
 * @throws ERR_ARGUMENT for a tensor in a `Map` or a `Set`, and for a proxy of one; ERR_DISPOSED
 */
export function places(where: string, model: unknown): Map<Tensor, string[]> {
  const found = new Map<Tensor, string[]>();
  const above = new Set<unknown>();
  const walk = (x: unknown, path: string): void => {
    if (x instanceof Tensor) {
      check.tensor(where, path, x);
      const paths = found.get(x);
      if (paths) paths.push(path);
      else found.set(x, [path]);
      return;
    }
    if (!isNode(x) || above.has(x)) return;
    if (holdsTensor(x))
      throw new OrthokitError(
        'ERR_ARGUMENT',
        `${where}: ${path} must be an object or a list, got a Map or a Set of tensors`,
      );
    above.add(x);
    for (const key of Object.keys(x)) walk(x[key], path === '' ? key : `${path}.${key}`);
    above.delete(x);
  };
  if (typeof model !== 'object' || model === null)
    throw new OrthokitError('ERR_ARGUMENT', `${where}: model must be an object, got ${shown(model)}`);
  walk(model, '');
  return found;
}

/** The same object with every tensor replaced. Methods stay, as prototypes do. */
export function replaced(model: unknown, f: (tensor: Tensor, path: string) => unknown): unknown {
  const copies = new Map<unknown, unknown>();
  const walk = (x: unknown, path: string): unknown => {
    if (isTensor(x)) return f(x, path);
    if (!isNode(x)) return x;
    const known = copies.get(x);
    if (known !== undefined) return known;
    const copy: Fields = Array.isArray(x) ? ([] as unknown as Fields) : Object.create(Object.getPrototypeOf(x));
    copies.set(x, copy);
    for (const key of Object.keys(x)) copy[key] = walk(x[key], path === '' ? key : `${path}.${key}`);
    return copy;
  };
  return walk(model, '');
}

/** Two objects as one: a field of both is the second's, unless both are objects, which are joined in turn. */
export function joined(a: unknown, b: unknown): unknown {
  if (!isNode(a) || !isNode(b)) return b === undefined ? a : b;
  const copy: Fields = Array.isArray(a)
    ? ([...a] as unknown as Fields)
    : Object.assign(Object.create(Object.getPrototypeOf(a)), a);
  for (const key of Object.keys(b)) copy[key] = key in a ? joined(a[key], b[key]) : b[key];
  return copy;
}
