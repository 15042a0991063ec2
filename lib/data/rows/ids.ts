// Names of rows: whole numbers that 31 bits hold.
import { refusal, shown } from '../../core/errors.ts';
import { checkAttached } from '../../core/host-data.ts';
import type { Steps } from '../../core/turns.ts';

/** Ids that are worked on between two moments at which others may have a turn: some hundred microseconds. */
const stride = 2 ** 14;
/** Ids of 31 bits are put in order by three digits. */
const digitBits = 11;
const digitMask = 2 ** digitBits - 1;

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

/** A copy of ids as they were given. @throws ERR_ARGUMENT for what cannot hold any */
export function copyIds(op: string, ids: unknown): GivenIds {
  if (!(ids instanceof Int32Array || ids instanceof BigInt64Array || Array.isArray(ids)))
    throw refusal(op, 'ids', 'be an Int32Array, a BigInt64Array or a list of numbers', shown(ids));
  if (!Array.isArray(ids)) checkAttached(op, 'ids', ids);
  return ids.slice();
}

/** Ids as 31 bits hold them, and their places in ascending order unless they ascend. */
export interface OrderedIds {
  readonly ids: Int32Array;
  readonly order: Int32Array | undefined;
}

/** Ids in their order. @throws ERR_ARGUMENT for what is none, and for ids that stand twice */
export function* readIds(op: string, given: GivenIds): Steps<OrderedIds> {
  const ids = new Int32Array(given.length);
  for (let i = 0; i < ids.length; ++i) {
    if (i % stride === 0) yield;
    const id = given[i];
    const value = typeof id === 'bigint' ? Number(id) : id;
    if (!Number.isInteger(value) || value! < 0 || value! >= idLimit)
      throw refusal(op, `ids[${i}]`, 'be a whole number from 0 to 2147483647', typeof id === 'bigint' ? id : shown(id));
    ids[i] = value!;
  }
  const order = yield* orderOf(ids);
  if (!order) return { ids, order };
  for (let i = 1; i < order.length; ++i) {
    if (i % stride === 0) yield;
    const id = ids[order[i]!]!;
    if (id === ids[order[i - 1]!]) throw refusal(op, 'ids', 'be different', `${id} twice`);
  }
  return { ids, order };
}

/** As many ids from one on. */
export function* idsFrom(first: number, count: number): Steps<Int32Array> {
  const ids = new Int32Array(count);
  for (let i = 0; i < count; ++i) {
    if (i % stride === 0) yield;
    ids[i] = first + i;
  }
  return ids;
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

/** The places of ids in ascending order, of equal ones the lower place first; nothing if each is above the last one. */
export function* orderOf(ids: Int32Array): Steps<Int32Array | undefined> {
  if (isAscending(ids)) return undefined;
  let order: Int32Array = yield* idsFrom(0, ids.length);
  let next: Int32Array = new Int32Array(ids.length);
  const starts = new Int32Array(2 ** digitBits);
  // By one digit after the other, the lowest first.
  for (let shift = 0; shift < 31; shift += digitBits) {
    starts.fill(0);
    for (let i = 0; i < ids.length; ++i) {
      if (i % stride === 0) yield;
      starts[(ids[i]! >> shift) & digitMask]! += 1;
    }
    for (let digit = 0, before = 0; digit <= digitMask; ++digit) {
      const own = starts[digit]!;
      starts[digit] = before;
      before += own;
    }
    for (let i = 0; i < ids.length; ++i) {
      if (i % stride === 0) yield;
      const place = order[i]!;
      const digit = (ids[place]! >> shift) & digitMask;
      next[starts[digit]!] = place;
      starts[digit]! += 1;
    }
    [order, next] = [next, order];
  }
  return order;
}

/** The ids at some places. */
export function* idsAt(ids: Int32Array, places: Int32Array): Steps<Int32Array> {
  const found = new Int32Array(places.length);
  for (let i = 0; i < places.length; ++i) {
    if (i % stride === 0) yield;
    found[i] = ids[places[i]!]!;
  }
  return found;
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
