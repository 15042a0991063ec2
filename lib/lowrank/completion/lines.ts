// Questions about every line of a completion, in steps between which others may have a turn of the event loop.
import type { Steps } from '../../core/turns.ts';

const pause = 1 << 14;

/** A number for each line, by how many entries it has. `places`: where each line starts, and the end. */
export function* byLength(places: Int32Array, number: (length: number) => number): Steps<Float64Array> {
  const out = new Float64Array(places.length - 1);
  for (let line = 0; line < out.length; ++line) {
    out[line] = number(places[line + 1]! - places[line]!);
    if (line % pause === 0) yield;
  }
  return out;
}

/** Lines with fewer entries than `least`, ascending. */
export function* shortLines(places: Int32Array, least: number): Steps<Int32Array> {
  const short: number[] = [];
  for (let line = 0; line + 1 < places.length; ++line) {
    if (places[line + 1]! - places[line]! < least) short.push(line);
    if (line % pause === 0) yield;
  }
  return Int32Array.from(short);
}

/** Places of the marks that are not 0, ascending. */
export function* marked(marks: Int32Array): Steps<Int32Array> {
  const places: number[] = [];
  for (let i = 0; i < marks.length; ++i) {
    if (marks[i] !== 0) places.push(i);
    if (i % pause === 0) yield;
  }
  return Int32Array.from(places);
}
