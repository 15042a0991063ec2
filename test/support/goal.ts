// The size and the seed of a reliability goal (docs/design/reliability.md): small in the suite, deep under
// `bash scripts/run.sh deep`, one case again under `bash scripts/run.sh replay`.
import { appendFileSync } from 'node:fs';
import fc from 'fast-check';

const { ORTHOKIT_DEEP, ORTHOKIT_SEED, ORTHOKIT_PATH, ORTHOKIT_DEEP_SEED, ORTHOKIT_DEEP_SLICE, ORTHOKIT_DEEP_RECORD } =
  process.env;

/** One of several sittings of a deep run, such as the second of three: `2/3`. */
const [slice, slices] = (ORTHOKIT_DEEP_SLICE || '1/1').split('/').map(Number) as [number, number];

export interface GoalSizes {
  ci: number;
  deep: number;
  /** The unit of the sizes; `'seconds'` is for `each`, which begins cases until they have passed. Default `'cases'`. */
  unit?: 'cases' | 'seconds';
  /** Deep, too, the cases are those from seed 1 on, such as the ones that have golden values. Default `false`. */
  fixed?: boolean;
}

export interface Goal {
  /** Cases or seconds, or what the goal counts in. */
  readonly count: number;
  /** Seed of the first case: case i has `seed + i`. The same in each run of the suite, another in each deep run of what is not fixed. */
  readonly seed: number;
  readonly deep: boolean;
  /**
   * The share of a goal without cases of its own that a sitting takes: its number from 0 on, and how many there are.
   */
  readonly sitting: { readonly number: number; readonly of: number };
  /** Options of the goal's tests: the tag by which commands find them. */
  readonly tagged: { readonly tags: string[] };
  /** Runs the body once a case, each with its own seed, and gives their number; a failure says how to replay it. */
  each(body: (seed: number, index: number) => unknown): Promise<number>;
  /** `fc.assert` with the goal's count and seed; a failure says how to replay it. */
  assert<T>(property: fc.IAsyncProperty<T> | fc.IProperty<T>): Promise<void>;
  /** Milliseconds that a test may take: as many as given in the suite, two hours when deep. */
  limit(ci: number): number;
  /** Adds to the record of a deep run what has been done. */
  record(cases: number): void;
  /** The words of a failure. */
  replay(seed: number, path?: string): string;
}

/**
 * A goal at its size. Its tests take `tagged` among their options. A goal of one size and no seed has tests with its tag
 * only, and `replay` does not take it.
 */
export function goal(name: string, { ci, deep: whole, unit = 'cases', fixed = false }: GoalSizes): Goal {
  const deep = ORTHOKIT_DEEP === '1';
  const again = ORTHOKIT_SEED !== undefined && ORTHOKIT_SEED !== '';
  const share = Math.ceil(whole / slices);
  const count = again ? 1 : deep ? share : ci;
  const first = fixed ? 1 : Number(ORTHOKIT_DEEP_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const seed = again ? Number(ORTHOKIT_SEED) : deep ? first + (slice - 1) * share : 1;
  const replay = (failed: number, path?: string): string =>
    `seed=${failed} replay: bash scripts/run.sh replay ${name} --seed ${failed}${path ? ` --path ${path}` : ''}`;

  const record = (cases: number): void => {
    if (ORTHOKIT_DEEP_RECORD) appendFileSync(ORTHOKIT_DEEP_RECORD, `${JSON.stringify({ goal: name, cases, seed })}\n`);
  };

  const each = async (body: (seed: number, index: number) => unknown): Promise<number> => {
    const end = performance.now() + 1000 * count;
    const isOver = (i: number) => (unit === 'seconds' && !again ? performance.now() >= end : i >= count);
    let i = 0;
    for (; !isOver(i); i++) {
      try {
        await body(seed + i, i);
      } catch (cause) {
        throw new Error(`${(cause as Error).message}\n${name}: ${replay(seed + i)}`, { cause });
      }
    }
    record(i);
    return i;
  };

  const assert = async <T>(property: fc.IAsyncProperty<T> | fc.IProperty<T>): Promise<void> => {
    const path = ORTHOKIT_PATH ? { path: ORTHOKIT_PATH } : {};
    const runs = again ? Math.max(ci, 1) : count; // fast-check's seed is of a sequence, not of a case
    const details = await fc.check(property as fc.IAsyncProperty<T>, { seed, numRuns: runs, ...path });
    if (details.failed) {
      const words = `${fc.defaultReportMessage(details)}\n${name}: ${replay(details.seed, details.counterexamplePath ?? '')}`;
      throw new Error(words, { cause: details.errorInstance });
    }
    record(details.numRuns);
  };

  const limit = (ci: number): number => (deep ? 2 * 60 * 60_000 : ci);
  const sitting = { number: slice - 1, of: slices };
  return { count, seed, deep, sitting, tagged: { tags: [name] }, each, limit, assert, record, replay };
}
