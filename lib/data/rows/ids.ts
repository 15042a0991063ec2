// Names of rows: whole numbers that 31 bits hold.
import { refusal, shown } from '../../core/errors.ts';
import { checkAttached } from '../../core/host-data.ts';

/** One more than the largest id. */
export const idLimit: number = 2 ** 31;

/** Ids as a search gives them. @throws ERR_ARGUMENT unless they are an Int32Array of numbers that are not negative */
export function checkIds(op: string, ids: unknown): asserts ids is Int32Array {
  if (!(ids instanceof Int32Array)) throw refusal(op, 'ids', 'be an Int32Array', shown(ids));
  checkAttached(op, 'ids', ids);
  const wrong = ids.findIndex((id) => id < 0);
  if (wrong >= 0) throw refusal(op, `ids[${wrong}]`, 'not be negative', ids[wrong]);
}

/** Ids of any kind that a caller may have. */
export type GivenIds = Int32Array | BigInt64Array | readonly number[];

/** A copy of ids as 31 bits hold them. @throws ERR_ARGUMENT for what is none, and for ids that stand twice */
export function readIds(op: string, ids: unknown): Int32Array {
  if (!(ids instanceof Int32Array || ids instanceof BigInt64Array || Array.isArray(ids)))
    throw refusal(op, 'ids', 'be an Int32Array, a BigInt64Array or a list of numbers', shown(ids));
  if (!Array.isArray(ids)) checkAttached(op, 'ids', ids);
  const own = new Int32Array(ids.length);
  for (let i = 0; i < own.length; ++i) {
    const id = ids[i];
    const value = typeof id === 'bigint' ? Number(id) : id;
    if (!Number.isInteger(value) || value! < 0 || value! >= idLimit)
      throw refusal(op, `ids[${i}]`, 'be a whole number from 0 to 2147483647', typeof id === 'bigint' ? id : shown(id));
    own[i] = value!;
  }
  const ascending = isAscending(own) ? own : own.slice().sort();
  for (let i = 1; i < ascending.length; ++i)
    if (ascending[i] === ascending[i - 1]) throw refusal(op, 'ids', 'be different', `${ascending[i]} twice`);
  return own;
}

/** True if each id is larger than the one before. */
export function isAscending(ids: Int32Array): boolean {
  for (let i = 1; i < ids.length; ++i) if (ids[i]! <= ids[i - 1]!) return false;
  return true;
}

/** The place of an id in ascending ones, or −1. */
export function placeOf(ascending: Int32Array, id: number): number {
  let [low, high] = [0, ascending.length - 1];
  if (high < 0 || id < ascending[0]! || id > ascending[high]!) return -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const own = ascending[middle]!;
    if (own === id) return middle;
    if (own < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** The first place, of those from one on, of an id that is not below another: the nearer it is, the sooner found. */
export function placeFrom(ascending: Int32Array, id: number, from: number): number {
  let [low, step] = [from, 1];
  while (low + step <= ascending.length && ascending[low + step - 1]! < id) {
    low += step;
    step *= 2;
  }
  let high = Math.min(ascending.length, low + step - 1);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The places of ids in ascending order. */
export function ascendingOrder(ids: Int32Array): Int32Array {
  const keys = Float64Array.from(ids, (id, place) => id * 2 ** 22 + place);
  return ids.length <= 2 ** 22
    ? Int32Array.from(keys.sort(), (key) => key % 2 ** 22)
    : Int32Array.from(ids.keys()).sort((a, b) => ids[a]! - ids[b]!);
}

/** The places below a number that are none of some, both ascending. */
export function othersThan(places: Int32Array, count: number): Int32Array {
  const others = new Int32Array(count - places.length);
  let next = 0;
  for (let place = 0; place < count; ++place) {
    if (places[next] === place) next += 1;
    else others[place - next] = place;
  }
  return others;
}
