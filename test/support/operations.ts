// Operations as they are queued: to be counted, or stopped.
import { native, type Operation } from '../../lib/core/native.ts';

const ops = native.ops as Record<string, Operation>;

/** Runs a call, with `see` before each operation that it queues; what `see` throws, the operation throws. */
export function seeingOperations<R>(see: (name: string, values: readonly unknown[]) => void, call: () => R): R {
  const own = { ...ops };
  for (const [name, operation] of Object.entries(own))
    ops[name] = (device, ...values) => {
      // Values on the sheet are not seen: refused, the call comes again with them.
      if (device === undefined) return false;
      see(name, values);
      return operation(device, ...values);
    };
  try {
    return call();
  } finally {
    Object.assign(ops, own);
  }
}

interface Field {
  readonly role: 'in' | 'inout' | 'out' | 'value';
}
const described = JSON.parse(native.describe()) as readonly { name: string; fields: readonly Field[] }[];
/** The places of the fields that an operation writes to. */
const outputs = new Map(
  described.map(({ name, fields }) => [name, fields.flatMap(({ role }, i) => (/out/.test(role) ? [i] : []))]),
);

/** The number of tensors that an operation with these values writes. */
export const writesOf = (name: string, values: readonly unknown[]): number =>
  outputs.get(name)!.reduce((count, i) => count + [values[i] ?? []].flat().length, 0);
