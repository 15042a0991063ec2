import type { TypedArray } from '../core/native.ts';
import type { Steps } from '../core/turns.ts';

/** Steps that a state may have: differences of their numbers are exact, and so are their products with small ones. */
const mostSteps = 2 ** 48;
/** Numbers that are looked at in a turn. */
const atOnce = 1 << 16;

/** Names a fault of a state of many blocks that no steps lead to. */
export function* wrongBlockState(data: ReadonlyMap<string, TypedArray>, steps: number): Steps<string | undefined> {
  if (steps > mostSteps) return `number steps must be at most ${mostSteps}, got ${steps}`;
  for (const [name, array] of data)
    for (let from = 0; from < array.length; from += atOnce) {
      const end = Math.min(array.length, from + atOnce);
      for (let i = from; i < end; ++i) if (!Number.isFinite(Number(array[i]))) return `state '${name}' must be finite`;
      yield;
    }
  const last = data.get('last') as Float64Array;
  let newest = -1;
  for (let i = 0; i < last.length; ++i) {
    const value = last[i]!;
    if (!Number.isInteger(value) || value < -1 || value >= steps)
      return `state 'last' must have whole numbers from -1 to ${steps - 1}, got ${value}`;
    newest = Math.max(newest, value);
    if (i % atOnce === atOnce - 1) yield;
  }
  if (newest !== steps - 1) return `state 'last' must have a block of step ${steps - 1}, got none after ${newest}`;
  return undefined;
}
