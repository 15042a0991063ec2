import { setImmediate as nextTurn } from 'node:timers/promises';

/** The time in milliseconds for which work may hold the event loop before others have a turn. */
const longest = 8;

/** The event loop's turns within long work: others have one when the work has held the loop for some milliseconds. */
export class Turns {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** True once the loop has been held for long enough. */
  get isDue(): boolean {
    return performance.now() - this.#since >= longest;
  }

  /** Lets others have a turn. @throws the reason of a signal that was aborted meanwhile */
  async next(): Promise<void> {
    await nextTurn();
    this.#signal?.throwIfAborted();
    this.#since = performance.now();
  }
}

/** Work that may be interrupted at each of its yields. */
export type Steps<T> = Generator<undefined, T>;

/** Runs steps to their end; others have a turn of the event loop between two of them every few milliseconds. */
export async function inTurns<T>(steps: Steps<T>, signal: AbortSignal | undefined): Promise<T> {
  const turns = new Turns(signal);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    if (turns.isDue) await turns.next();
  }
}

/** Runs steps to their end without a turn for others. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
