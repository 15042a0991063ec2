// Writes the call of an operation where native code reads it.
import { begin, numberOf, sheet, size } from './call-memory.ts';
import { DevicePlace } from './device-place.ts';
import { placeOfTensor } from './handle.ts';
import type { Operation } from './native.ts';

/** Kinds of values, as native/addon/sheet_reader.h reads them. */
const absent = 0;
const number = 1;
const tensor = 2;
const word = 3;
const list = 4;

let at = 0;

/** False for what cannot be written. */
function write(value: unknown): boolean {
  if (at + 2 > size) return false;
  switch (typeof value) {
    case 'undefined':
      sheet[at] = absent;
      at += 1;
      return true;
    case 'number':
      sheet[at] = number;
      sheet[at + 1] = value;
      at += 2;
      return true;
    case 'string': {
      sheet[at] = word;
      sheet[at + 1] = numberOf(value);
      at += 2;
      return true;
    }
    case 'object': {
      if (value === null) return false;
      // Lists first: where only tensors are asked for their place, V8 does so quickest.
      if (!Array.isArray(value)) {
        const place = placeOfTensor(value);
        if (place < 0) return false;
        sheet[at] = tensor;
        sheet[at + 1] = place;
        at += 2;
        return true;
      }
      const { length } = value;
      // The length of a proxy may be anything.
      if (!(typeof length === 'number' && length >= 0 && at + 2 + 2 * length <= size)) return false;
      sheet[at] = list;
      sheet[at + 1] = length;
      at += 2;
      for (let i = 0; i < length; ++i) if (!write(value[i])) return false;
      return true;
    }
    default:
      return false;
  }
}

function writeCall(queue: object, values: readonly unknown[]): boolean {
  if (typeof queue !== 'object' || queue === null) return false;
  const place = DevicePlace.of(queue);
  if (place < 0) return false;
  const mine = begin();
  at = 2;
  try {
    for (let i = 0; i < values.length; ++i) if (!write(values[i])) return false;
  } catch {
    return false; // a getter has thrown, which Node-API tells
  }
  sheet[0] = at;
  sheet[1] = place;
  return sheet[size] === mine;
}

/** Queues an operation: from the sheet or, where that cannot be, through Node-API, which says what is wrong. */
export function send(operation: Operation, queue: object, ...values: readonly unknown[]): void {
  if (writeCall(queue, values) && operation()) return;
  operation(queue, ...values);
}
