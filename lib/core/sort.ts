import type { Steps } from './turns.ts';

const pauseItems = 1 << 11;

/**
 * Items in order, by merging; equal ones keep theirs. `Array.prototype.sort` with a function would hold the event loop
 * for most of a second where a hundred thousand items come in disorder.
 */
export function* sorted<T>(items: readonly T[], inOrder: (a: T, b: T) => boolean): Steps<readonly T[]> {
  let from = items;
  let to: T[] = [];
  let work = 0;
  for (let width = 1; width < items.length; width *= 2) {
    for (let start = 0; start < items.length; start += 2 * width) {
      let a = start;
      let b = start + width;
      const end = Math.min(b + width, items.length);
      const middle = Math.min(b, items.length);
      while (a < middle || b < end) {
        const takesLeft = a < middle && (b >= end || inOrder(from[a] as T, from[b] as T));
        to.push(from[takesLeft ? a++ : b++] as T);
        work += 1;
        if (work % pauseItems === 0) yield;
      }
    }
    [from, to] = [to, []];
  }
  return from;
}
