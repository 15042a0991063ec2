import { native } from '../core/native.ts';

/** Rejects when the engine has not begun or ended after so many seconds; the process then waits for it no more. */
export async function within(seconds: number, work: Promise<void>, late: () => Error): Promise<void> {
  let clock: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    clock = setTimeout(() => {
      native.group.abandon();
      reject(late());
    }, seconds * 1000);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(clock);
  }
}
