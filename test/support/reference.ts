// The device of kind 'reference': the plain loops of native/bench/reference, which compute in f64 and round once to the
// dtype of each result. A second source for every operation that no test has to write.
import { afterAll, expect } from 'vitest';
import { native } from '../../lib/core/native.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { expectClose, expectSame, largest } from './compare.ts';
import type { Floating } from './dtypes.ts';
import { sameBits } from './same-bits.ts';
import { valuesOf } from './tensors.ts';

type Op = keyof typeof ops;
type Fields<O extends Op> = Parameters<(typeof ops)[O]>[1];

/** Units in the last place, one half of which is the reference's own rounding. */
export interface Bound {
  ulps: number;
  /**
   * Of what: each expected element, or the largest one of its tensor, where terms cancel, or a number for each that follows
   * from all that is expected. Default: `'element'`.
   */
  of?: 'element' | 'largest' | ((expected: Results) => ArrayLike<number>);
}
/** The values of each field that is one tensor. */
type Results = Record<string, Float64Array>;
/** One for all results of floating dtypes, or one a field; results of integers are the same. */
type Bounds<O extends Op> = Bound | { [F in keyof Fields<O>]?: Bound };

const roles = new Map<string, Map<string, string>>();
for (const { name, fields } of JSON.parse(native.describe()) as {
  name: string;
  fields: { name: string; role: string }[];
}[])
  roles.set(
    name.replace(/_[a-z]/g, (letters) => letters[1]!.toUpperCase()),
    new Map(fields.map((field) => [field.name, field.role])),
  );

let opened: Device | undefined;
/** Opened at the first call, closed at the end of the file. */
export function referenceDevice(): Device {
  opened ??= Device.open('reference' as 'cpu');
  return opened;
}
afterAll(async () => {
  await opened?.close();
  opened = undefined;
});

const isTensors = (value: unknown): value is Tensor | Tensor[] =>
  [value].flat().every((part) => part instanceof Tensor);

/**
 * Runs the operation on the device and on the reference, each time on what `fields` makes there. All that it writes must be
 * within the bounds, and what it only reads must be as before.
 */
export async function expectLikeReference<O extends Op>(
  op: O,
  device: Device,
  fields: (device: Device) => Fields<O>,
  bounds: Bounds<O>,
): Promise<void> {
  const [actual, expected] = [device, referenceDevice()].map((on) => {
    const own = fields(on);
    (ops[op] as (device: Device, fields: Fields<O>) => void)(on, own);
    return own as Record<string, unknown>;
  }) as [Record<string, unknown>, Record<string, unknown>];
  const writes = (field: string) => roles.get(op)!.get(field) !== 'in';
  const written = Object.entries(actual).filter(([field, value]) => isTensors(value) && writes(field));
  expect(written.length, `${op}: results that are compared`).toBeGreaterThan(0);
  const results = new Set(written.flatMap(([, value]) => value as Tensor | Tensor[]));
  for (const [field, value] of Object.entries(actual)) {
    if (!isTensors(value)) continue;
    const bound = 'ulps' in bounds ? (bounds as Bound) : (bounds as Record<string, Bound | undefined>)[field];
    const others = [expected[field]].flat() as Tensor[];
    for (const [i, tensor] of ([value].flat() as Tensor[]).entries()) {
      const name = `${op}: ${field}${Array.isArray(value) ? `[${i}]` : ''}`;
      if (writes(field)) await compare(name, tensor, others[i]!, bound, () => resultsOf(expected));
      else if (!results.has(tensor))
        expect(sameBits(await tensor.read(), await others[i]!.read()), `${name} is as before`).toBe(true);
    }
  }
}

async function resultsOf(fields: Record<string, unknown>): Promise<Results> {
  const results: Results = {};
  for (const [field, value] of Object.entries(fields))
    if (value instanceof Tensor) results[field] = await valuesOf(value);
  return results;
}

async function compare(
  name: string,
  tensor: Tensor,
  other: Tensor,
  bound: Bound | undefined,
  results: () => Promise<Results>,
): Promise<void> {
  const [values, expected] = [await valuesOf(tensor), await valuesOf(other)];
  try {
    if (tensor.dtype === 'i32' || tensor.dtype === 'u8') return expectSame(values, expected);
    if (!bound) throw new Error('has no bound');
    const magnitude =
      typeof bound.of === 'function'
        ? bound.of(await results())
        : bound.of === 'largest'
          ? largest(expected.filter(Number.isFinite))
          : 0;
    expectClose(values, expected, { dtype: tensor.dtype as Floating, ulps: bound.ulps, magnitude });
  } catch (error) {
    throw new Error(`${name} ${tensor.dtype}[${tensor.shape.join(', ')}]: ${(error as Error).message}`);
  }
}
