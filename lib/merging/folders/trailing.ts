// Steps that follow a loop: what a device computes of a panel is awaited while the next panel is read.

export interface Trail {
  /**
   * Uses what is found once it is there, and what was found before has been used. Resolves when that has, so that a
   * loop is one step ahead at most.
   */
  follow<T>(found: Promise<T>, use: (found: T) => void | Promise<void>): Promise<void>;
}

/** Runs a loop, and ends when all of its steps have ended, however it ends. */
export async function trailing(loop: (trail: Trail) => Promise<void>): Promise<void> {
  let last: Promise<void> = Promise.resolve();
  try {
    await loop({
      follow(found, use) {
        const before = last;
        last = Promise.all([found, before]).then(([own]) => use(own));
        // Whoever waits for it hears of an error.
        last.catch(() => {});
        return before;
      },
    });
    await last;
  } finally {
    await last.catch(() => {});
  }
}
