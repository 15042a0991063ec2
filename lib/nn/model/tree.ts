// A model is any object. Its tensors, found by walking fields and lists, are its parameters, and paths their names.

import * as check from '../../core/check.ts';
import { Device } from '../../core/device.ts';
import { refusal, shown } from '../../core/errors.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import { isArg } from '../tape/value.ts';

/** An object that is walked. */
export type Node = Record<string, unknown>;

export const isNode = (x: unknown): x is Node =>
  typeof x === 'object' && x !== null && !isArg(x) && !ArrayBuffer.isView(x) && !(x instanceof Device);

/** Their elements have no names. */
export const isBag = (x: unknown): x is Map<unknown, unknown> | Set<unknown> => x instanceof Map || x instanceof Set;

/** The objects that have a tensor or a value at any depth below them. */
export function holdersIn(model: unknown): Set<unknown> {
  const owners = new Map<unknown, unknown[]>();
  const holders = new Set<unknown>();
  const mark = (x: unknown): void => {
    if (holders.has(x)) return;
    holders.add(x);
    for (const owner of owners.get(x) ?? []) mark(owner);
  };
  const walk = (x: unknown, owner: unknown): void => {
    if (isArg(x) || holders.has(x)) mark(owner);
    if (!isNode(x)) return;
    const known = owners.get(x);
    if (known) known.push(owner);
    else {
      owners.set(x, [owner]);
      for (const part of [...Object.values(x), ...(isBag(x) ? [...x].flat() : [])]) walk(part, x);
    }
  };
  walk(model, undefined);
  return holders;
}

/** A field or an element of a model, and its path. */
export interface Part {
  readonly path: string;
  readonly value: unknown;
  readonly owner: Node;
  readonly key: string;
}

/**
 * All parts of a model in the order of fields, owners before what they hold. One that holds itself is walked once.
 * @throws ERR_ARGUMENT for tensors in a `Map` or a `Set`, whose elements have no names, and for a proxy of a tensor;
 * ERR_DISPOSED
 */
export function partsOf(where: string, model: unknown): Part[] {
  const parts: Part[] = [];
  const above = new Set<unknown>();
  const walk = (x: unknown, path: string): void => {
    if (x instanceof Tensor) check.tensor(where, path, x);
    if (!isNode(x) || above.has(x)) return;
    if (isBag(x) && holdersIn(x).has(x))
      throw refusal(where, path || 'model', 'be an object or a list', 'a Map or a Set of tensors');
    above.add(x);
    for (const key of Object.keys(x)) {
      const below = path === '' ? key : `${path}.${key}`;
      parts.push({ path: below, value: x[key], owner: x, key });
      walk(x[key], below);
    }
    above.delete(x);
  };
  if (typeof model !== 'object' || model === null) throw refusal(where, 'model', 'be an object', shown(model));
  walk(model, '');
  return parts;
}

/**
 * The paths of every tensor, in the order of fields. A tensor that stands in several places, such as tied weights, has
 * as many paths.
 * @throws as {@link partsOf}; ERR_ARGUMENT for one path of two tensors
 */
export function places(where: string, model: unknown): Map<Tensor, string[]> {
  const found = new Map<Tensor, string[]>();
  const taken = new Map<string, Tensor>();
  for (const { path, value } of partsOf(where, model)) {
    if (!isTensor(value)) continue;
    if ((taken.get(path) ?? value) !== value) throw refusal(where, path, 'be the path of one tensor', 'two');
    taken.set(path, value);
    found.set(value, [...(found.get(value) ?? []), path]);
  }
  return found;
}

const blank = (x: Node): Node => (Array.isArray(x) ? ([] as unknown as Node) : Object.create(Object.getPrototypeOf(x)));

/**
 * The same object with every tensor replaced. Methods stay, as prototypes do, and so does what holds no tensor, such as
 * a date.
 */
export function replaced(
  model: unknown,
  f: (tensor: Tensor) => unknown,
  holders: ReadonlySet<unknown> = holdersIn(model),
): unknown {
  const copies = new Map<unknown, unknown>();
  const walk = (x: unknown): unknown => {
    if (isTensor(x)) return f(x);
    if (!isNode(x) || !holders.has(x)) return x;
    const known = copies.get(x);
    if (known !== undefined) return known;
    const copy = blank(x);
    copies.set(x, copy);
    for (const key of Object.keys(x)) copy[key] = walk(x[key]);
    return copy;
  };
  return walk(model);
}

/** Two objects as one: a field of both is the second's, unless both are lists, records or hold tensors: they join. */
export function joined(a: unknown, b: unknown): unknown {
  const holders = [holdersIn(a), holdersIn(b)];
  const copies = new Map<unknown, Map<unknown, unknown>>();
  const isPart = (x: unknown): x is Node =>
    isNode(x) &&
    !isBag(x) &&
    (Array.isArray(x) || Object.getPrototypeOf(x) === Object.prototype || holders.some((some) => some.has(x)));
  const walk = (x: unknown, y: unknown): unknown => {
    if (!isPart(x) || !isPart(y)) return y === undefined ? x : y;
    const known = copies.get(x)?.get(y);
    if (known) return known;
    const copy = Object.assign(blank(x), x);
    copies.set(x, (copies.get(x) ?? new Map()).set(y, copy));
    for (const key of Object.keys(y)) copy[key] = Object.hasOwn(x, key) ? walk(x[key], y[key]) : y[key];
    return copy;
  };
  return walk(a, b);
}
