// Memory on which a call of an operation is written, and from which native code reads it: there each value costs a
// nanosecond to look at, through Node-API about fifty.
import { native, type Operation } from './native.ts';

/** Kinds of values, as native/addon/sheet_reader.h reads them. */
const absent = 0;
const number = 1;
const tensor = 2;
const word = 3;
const list = 4;
/** The kind of places that are no operand's. */
const device = 5;

/** Numbers of a call; one with more goes through Node-API. */
const size = 1024;
/**
 * The end of the call, or the place of a handle that has just been made; the place of the device; values; the count of
 * calls that have been begun, as a getter of a list may make one while another is. Copies of this file that share the
 * binary share it.
 */
const sheet = native.lendSheet(new Float64Array(size + 1));

class Given {
  constructor(handle: object) {
    // biome-ignore lint/correctness/noConstructorReturn: fields of the class below are put on the object that is given
    return handle;
  }
}

/** Puts the place of a handle, a device or a tensor, on it, out of reach of others. */
export class HandlePlace extends Given {
  readonly #place: number;
  readonly #kind: number;

  private constructor(handle: object, kind: number) {
    super(handle);
    this.#place = sheet[0]!;
    this.#kind = kind;
  }

  /** Puts its place on a device, or a lane, that has just been made. */
  static ofDevice(handle: object): void {
    new HandlePlace(handle, device);
  }

  /** Puts its place on a tensor that has just been made. */
  static ofTensor(handle: object): void {
    new HandlePlace(handle, tensor);
  }

  /** −1: it is no handle of that kind. */
  static of(value: object, kind: number): number {
    return #place in value && value.#kind === kind ? value.#place : -1;
  }
}

const words = new Map<string, number>();
/** Words that native code is asked to keep, and their letters: those of all operations are fewer. */
const mostWords = 1024;
const mostLetters = 63;

function numberOf(text: string): number {
  const known = words.get(text);
  if (known !== undefined) return known;
  if (words.size === mostWords || text.length > mostLetters) return -1;
  const made = native.numberOfWord(text);
  words.set(text, made);
  return made;
}

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
      const place = HandlePlace.of(value, tensor);
      if (place >= 0) {
        sheet[at] = tensor;
        sheet[at + 1] = place;
        at += 2;
        return true;
      }
      if (!Array.isArray(value)) return false;
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
  const place = HandlePlace.of(queue, device);
  if (place < 0) return false;
  sheet[size]! += 1;
  const mine = sheet[size];
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
