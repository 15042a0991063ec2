// How soon a call that is aborted ends, by the work that is done afterwards: a busy machine does not lengthen that.
import { expect } from 'vitest';

/** Milliseconds of the processor, as `workTime` counts them. */
interface AbortWork {
  /** The work of a call that nobody aborts. */
  readonly whole: number;
  /** The work of one that is aborted, until then; Infinity where it ended first. */
  readonly before: number;
  readonly after: number;
}

/** Measures up to five times, since a timer may come late, until a call did less than a quarter of its work afterwards. */
export async function expectSoonOver(measure: () => Promise<AbortWork>): Promise<void> {
  const shares: number[] = [];
  while (shares.length < 5 && !(Math.min(...shares) < 0.25)) {
    const { whole, before, after } = await measure();
    // Of one that was aborted near its end little is left, aborted or not.
    shares.push(before < whole / 2 ? after / whole : Infinity);
  }
  expect(Math.min(...shares), shares.join(' ')).toBeLessThan(0.25);
}
