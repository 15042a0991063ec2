// Values of entries, as a completion counts, chooses and sums them.
import { type Carried, pause } from '../../core/entries.ts';
import type { Steps } from '../../core/turns.ts';

/** Largest values up to two to this, and from two to its negative, stay as they are. */
const mostExponent = 32;

/** `from[order[i]]` for each i. */
export function* picked<A extends Carried>(from: A, order: Int32Array): Steps<A> {
  const out = new (from.constructor as new (size: number) => A)(order.length);
  for (let i = 0; i < order.length; ++i) {
    out[i] = from[order[i]!]!;
    if (i % pause === 0) yield;
  }
  return out;
}

/** x over a unit, less a number of such units, in place. */
export function* lessened(x: Float32Array | Float64Array, offset: number, unit: number): Steps<void> {
  for (let i = 0; i < x.length; ++i) {
    x[i] = x[i]! / unit - offset;
    if (i % pause === 0) yield;
  }
}

/** The power of two that values are to be counted in, so that their squares stay in range: 1 wherever they do as is. */
export function* unitOf(values: Float32Array | Float64Array): Steps<number> {
  let most = 0;
  for (let i = 0; i < values.length; ++i) {
    most = Math.max(most, Math.abs(values[i]!));
    if (i % pause === 0) yield;
  }
  const exponent = most > 0 ? Math.floor(Math.log2(most)) : 0;
  return Math.abs(exponent) <= mostExponent ? 1 : 2 ** Math.max(-1000, Math.min(1000, exponent));
}

/** Mean and mean of squares, of values counted in a unit. */
export function* momentsOf(values: Float32Array | Float64Array, unit: number): Steps<{ mean: number; square: number }> {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < values.length; ++i) {
    const value = values[i]! / unit;
    sum += value;
    squares += value * value;
    if (i % pause === 0) yield;
  }
  return { mean: sum / values.length, square: squares / values.length };
}

/** The entries for which a drawn number is below `share`, and the others, in order. */
export function* parted(numbers: Float32Array, share: number): Steps<{ below: Int32Array; above: Int32Array }> {
  let count = 0;
  for (let i = 0; i < numbers.length; ++i) {
    if (numbers[i]! < share) count += 1;
    if (i % pause === 0) yield;
  }
  const [below, above] = [new Int32Array(count), new Int32Array(numbers.length - count)];
  let [low, high] = [0, 0];
  for (let i = 0; i < numbers.length; ++i) {
    if (numbers[i]! < share) below[low++] = i;
    else above[high++] = i;
    if (i % pause === 0) yield;
  }
  return { below, above };
}
