// Native code knows a tensor by an object of Node-API, of whose end the garbage collector must tell it. Such a handle
// costs microseconds: that of a disposed tensor serves another one.
import { begin, numberOf, sheet, size } from './call-memory.ts';
import { DevicePlace } from './device-place.ts';
import { arrays } from './dtypes.ts';
import { native } from './native.ts';
import type { SharedSource } from './shared.ts';

/** A handle of native code, and its place among all of them. */
interface Handle {
  readonly native: object;
  readonly place: number;
}

/** Handles that hold nothing. */
const unused: Handle[] = [];
const mostUnused = 4096;

function takeHandle(): Handle {
  const handle = unused.pop();
  if (handle !== undefined) return handle;
  const made = new native.Tensor();
  return { native: made, place: sheet[0]! };
}

function giveBack(handle: Handle): void {
  if (unused.length < mostUnused) unused.push(handle);
}

/** Places of things that have none, as native/addon/tensor_handle.cpp reads them. */
const noTensor = -1;
const disposed = -2;

/** Ways to fill a handle, as native/addon/tensor_handle.cpp reads them. */
const memory = 0;
const reshaped = 1;
const rows = 2;
const mostAxes = 5;

/** True where native code has filled a handle, asked to on the sheet. */
function isFilledFromSheet(
  call: number,
  place: number,
  owner: object,
  shapeOrFrom: readonly number[] | number,
  dtypeOrTo: unknown,
): boolean {
  if (typeof owner !== 'object' || owner === null) return false;
  let of = DevicePlace.of(owner);
  sheet[0] = place;
  if (typeof shapeOrFrom === 'number') {
    of = placeOfTensor(owner);
    if (of < 0 || typeof dtypeOrTo !== 'number') return false;
    sheet[1] = rows;
    sheet[3] = shapeOrFrom;
    sheet[4] = dtypeOrTo;
  } else {
    if (of >= 0) {
      if (typeof dtypeOrTo !== 'string' || !Object.hasOwn(arrays, dtypeOrTo)) return false;
      sheet[1] = memory;
      sheet[3] = numberOf(dtypeOrTo);
    } else {
      of = placeOfTensor(owner);
      if (of < 0) return false;
      sheet[1] = reshaped;
    }
    if (!Array.isArray(shapeOrFrom) || shapeOrFrom.length > mostAxes) return false;
    const { length } = shapeOrFrom;
    sheet[4] = length;
    for (let i = 0; i < length; ++i) {
      const axis = shapeOrFrom[i];
      if (typeof axis !== 'number') return false;
      sheet[5 + i] = axis;
    }
  }
  sheet[2] = of;
  // A getter of the list may have made a call.
  return sheet[size] === call && native.fill();
}

/** @internal The place of the handle of a tensor: below 0 for what is none, or has been disposed. */
export let placeOfTensor: (value: object) => number;
/** @internal Lets go of the memory behind a handle, once. @throws TypeError for what has none */
export let release: (thing: Handled) => void;
/** @internal True of what has been released. @throws TypeError for what has no handle */
export let isDisposed: (thing: Handled) => boolean;

/** A thing that has a handle, out of reach of others. */
export class Handled {
  /** Undefined once it is given back: a disposed tensor must not keep alive what its handle serves next. */
  #handle: Handle | undefined;
  #place: number;

  /** As {@link native.fill}. */
  constructor(
    owner: object,
    shapeOrFrom: readonly number[] | number,
    dtypeOrTo: string | number,
    source: SharedSource | undefined,
  ) {
    const handle = takeHandle();
    const call = begin();
    this.#handle = handle;
    this.#place = handle.place;
    try {
      if (source !== undefined || !isFilledFromSheet(call, handle.place, owner, shapeOrFrom, dtypeOrTo))
        native.fill(handle.native, owner, shapeOrFrom, dtypeOrTo, source);
    } catch (error) {
      giveBack(handle);
      throw error;
    }
  }

  static {
    placeOfTensor = (value) => (#place in value ? value.#place : noTensor);
    const placeOf = (value: unknown) => {
      const place = typeof value === 'object' && value !== null ? placeOfTensor(value) : noTensor;
      return place === noTensor ? (ofOthers?.(value) ?? noTensor) : place;
    };
    // Copies of this file that share the binary each know their own, and keep the one before.
    const ofOthers = native.setPlaceOf(placeOf);
    isDisposed = (thing) => thing.#place === disposed;
    release = (thing) => {
      const handle = thing.#handle;
      if (handle === undefined) return;
      thing.#handle = undefined;
      thing.#place = disposed;
      begin();
      sheet[0] = handle.place;
      native.release();
      giveBack(handle);
    };
  }
}
