// The things in arguments of calls that live on a device: tensors, and objects that are made of some.
import { type Device, Tensor } from '../../lib/index.ts';

/** A tensor, an operator, a dictionary: it has a device, stands at a place among the arguments and can be replaced. */
export interface Thing {
  readonly path: readonly (string | number)[];
  readonly value: Tensor | { readonly device: Device; dispose?(): void };
}

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);

/** All things in a value, lists and plain objects searched through. */
export function thingsIn(value: unknown, path: Thing['path'] = []): Thing[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('device' in value && 'shape' in value) return [{ path, value: value as unknown as Thing['value'] }];
  if ('device' in value && 'dispose' in value) return [{ path, value: value as unknown as Thing['value'] }];
  if (!isPlain(value)) return [];
  return Object.entries(value).flatMap(([name, part]) => thingsIn(part, [...path, name]));
}

/** A copy of the value with something else at a place. */
export function replaced(value: unknown, [name, ...rest]: Thing['path'], by: unknown): unknown {
  if (name === undefined) return by;
  const inner = replaced((value as Record<string, unknown>)[name], rest, by);
  return Array.isArray(value)
    ? value.map((part, i) => (String(i) === String(name) ? inner : part))
    : { ...(value as object), [name]: inner };
}

/** The tensors in a value with their bits, to be compared. */
export async function bitsIn(value: unknown): Promise<[string, string][]> {
  const tensors = thingsIn(value).filter(({ value: one }) => one instanceof Tensor);
  return Promise.all(
    tensors.map(async ({ path, value: one }): Promise<[string, string]> => {
      const { buffer } = await (one as Tensor).read();
      return [path.join('.'), Buffer.from(buffer).toString('hex')];
    }),
  );
}
