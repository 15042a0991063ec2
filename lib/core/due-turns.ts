// Promises of native code are settled many to a turn of the event loop, and whoever awaits them in a loop may queue the
// next at once: others would wait as long as the loop lasts.
import { setImmediate } from 'node:timers';

/** Milliseconds that such a loop may take before others have their turn. */
const longest = 3;
/** Bytes of new tensors: only in a turn does the garbage collector give those back that nobody holds. */
const mostBytes = 64 * 2 ** 20;

let begun = 0;
let bytes = 0;
let turn: Promise<void> | undefined;

function nextTurn(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      begun = performance.now();
      bytes = 0;
      turn = undefined;
      resolve();
    });
  });
  return turn;
}

/** Hears of the memory of each new tensor. */
export function countBytes(count: number): void {
  bytes += count;
}

/** Others' turn, if it is due; undefined if not. What waits for one already keeps its place. */
export function dueTurn(): Promise<void> | undefined {
  return turn ?? (bytes > mostBytes || performance.now() - begun > longest ? nextTurn() : undefined);
}

/** Settles like a promise, or with what is there; in the order of others, but not within a turn that lasted long. */
export async function inTurn<T>(promise: Promise<T> | T): Promise<T> {
  try {
    return await promise;
  } finally {
    const due = dueTurn();
    if (due) await due;
  }
}
