// The size and the seed of a reliability goal (docs/design/reliability.md): small in the suite, deep under
// `bash scripts/run.sh torture`, one case again under `bash scripts/run.sh replay`.
import fc from 'fast-check';

const { ORTHOKIT_TORTURE, ORTHOKIT_SEED, ORTHOKIT_PATH } = process.env;

export interface Goal {
  /** Cases, or what the goal counts in. */
  readonly count: number;
  /** Of the first case: case i has `seed + i`. The same in each run of the suite, another in each torture. */
  readonly seed: number;
  readonly deep: boolean;
  /** Runs the body once a case, each with its own seed; a failure says how to replay it. */
  each(body: (seed: number, index: number) => unknown): Promise<void>;
  /** `fc.assert` with the goal's count and seed; a failure says how to replay it. */
  assert<T>(property: fc.IAsyncProperty<T> | fc.IProperty<T>): Promise<void>;
  /** Milliseconds that a test may take: as many as given in the suite, two hours when deep. */
  limit(ci: number): number;
  /** What a failure prints. */
  replay(seed: number, path?: string): string;
}

/**
 * A goal at its size. The titles of its tests begin with its name and a colon, such as `R7: `, by which the commands
 * find them. A goal of one size and no seed has its titles only, and `replay` does not take it.
 */
export function goal(name: string, sizes: { ci: number; deep: number }): Goal {
  const deep = ORTHOKIT_TORTURE === '1';
  const again = ORTHOKIT_SEED !== undefined && ORTHOKIT_SEED !== '';
  const count = again ? 1 : deep ? sizes.deep : sizes.ci;
  const seed = again ? Number(ORTHOKIT_SEED) : deep ? Math.floor(Math.random() * 2 ** 31) : 1;
  const replay = (failed: number, path?: string): string =>
    `seed=${failed} replay: bash scripts/run.sh replay ${name} --seed ${failed}${path ? ` --path ${path}` : ''}`;

  const each = async (body: (seed: number, index: number) => unknown): Promise<void> => {
    for (let i = 0; i < count; i++) {
      try {
        await body(seed + i, i);
      } catch (cause) {
        throw new Error(`${(cause as Error).message}\n${name}: ${replay(seed + i)}`, { cause });
      }
    }
  };

  const assert = async <T>(property: fc.IAsyncProperty<T> | fc.IProperty<T>): Promise<void> => {
    const path = ORTHOKIT_PATH ? { path: ORTHOKIT_PATH } : {};
    const runs = again ? Math.max(sizes.ci, 1) : count; // fast-check's seed is of a sequence, not of a case
    const details = await fc.check(property as fc.IAsyncProperty<T>, { seed, numRuns: runs, ...path });
    if (!details.failed) return;
    const words = `${fc.defaultReportMessage(details)}\n${name}: ${replay(details.seed, details.counterexamplePath ?? '')}`;
    throw new Error(words, { cause: details.errorInstance });
  };

  const limit = (ci: number): number => (deep ? 2 * 60 * 60_000 : ci);
  return { count, seed, deep, each, limit, assert, replay };
}
