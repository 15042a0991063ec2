// A map of rows that does what a database should do, and steps for both.
import fc from 'fast-check';
import { expect } from 'vitest';
import { RetrievalDatabase } from '../../lib/data/index.ts';
import type { Device } from '../../lib/index.ts';
import { bruteForce, type Named, scoreOf } from './brute.ts';

const largest = 3;
const integer = fc.integer({ min: -largest, max: largest });
const row = fc.tuple(integer, integer, integer);
const calls = {
  add: fc.record({
    kind: fc.constant('add' as const),
    rows: fc.array(row, { maxLength: 12 }),
    ids: fc.option(fc.uniqueArray(fc.nat(40), { minLength: 12, maxLength: 12 })),
  }),
  remove: fc.record({ kind: fc.constant('remove' as const), ids: fc.uniqueArray(fc.nat(40), { maxLength: 8 }) }),
  search: fc.record({ kind: fc.constant('search' as const), query: row, k: fc.integer({ min: 1, max: 9 }) }),
  gather: fc.record({ kind: fc.constant('gather' as const), at: fc.array(fc.nat(1000), { maxLength: 5 }) }),
  save: fc.record({ kind: fc.constant('save' as const), keep: fc.boolean() }),
};
const { add, remove, search, gather, save } = calls;
const often = [add, remove, search, gather].map((arbitrary) => ({ weight: 8, arbitrary }) as const);
const anyCall = fc.oneof(...often, { weight: 1, arbitrary: save });

/** A call, a file that takes the database's place, or several calls at once. */
export const anyStep = fc.oneof(
  anyCall,
  fc.record({ kind: fc.constant('reopen' as const), keep: fc.boolean() }),
  fc.record({ kind: fc.constant('together' as const), calls: fc.array(anyCall, { minLength: 2, maxLength: 5 }) }),
);
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;
type Call = Exclude<Step, { kind: 'together' }>;

/** Every row of a step, and the numbers that a database keeps of it: of i8 not quite the same. */
export type Kept = ReadonlyMap<string, readonly number[]>;
const known = new Map<string, Promise<Kept>>();

/** They are those of a database that has nothing else to do. */
export function keptRows(device: Device, dtype: 'f32' | 'f16' | 'i8'): Promise<Kept> {
  const make = async (): Promise<Kept> => {
    const integers = Array.from({ length: 2 * largest + 1 }, (_, i) => i - largest);
    const all = integers.flatMap((x) => integers.flatMap((y) => integers.map((z) => [x, y, z] as const)));
    using db = new RetrievalDatabase(device, 3, { metric: 'dot', dtype });
    using rows = await db.gather(await db.add(Float32Array.from(all.flat())));
    const numbers = await rows.read();
    return new Map(
      all.map((given, i) => {
        const own = [...numbers.subarray(3 * i, 3 * i + 3)].map((x) => x + 0);
        // Codes of 8 bits, and codes of 8 bits of what these leave: half of 1/255² of the row's range, and f32's rounding.
        const most = (Math.max(...given) - Math.min(...given)) / (2 * 255 ** 2) + roundingOf(dtype);
        for (const [j, x] of own.entries())
          expect(Math.abs(x - given[j]!)).toBeLessThanOrEqual(dtype === 'i8' ? most : 0);
        return [String(given), own];
      }),
    );
  };
  const key = `${device.kind} ${dtype}`;
  if (!known.has(key)) known.set(key, make());
  return known.get(key)!;
}

/**
 * A number of i8 is a product of at most 2 · 3, added to an end of at most 3, to which what is left is added: each is
 * rounded to 2⁻²⁴ of itself, where a search may have it in f64.
 */
const roundingOf = (dtype: string): number => (dtype === 'i8' ? (6 + 3 + 3 + 1) * 2 ** -24 : 0);

export class Model {
  db: RetrievalDatabase;
  rows = new Map<number, readonly number[]>();
  readonly #kept: Kept;
  readonly #path: string;
  #next = 0;
  #files = 0;

  constructor(db: RetrievalDatabase, kept: Kept, path: string) {
    this.db = db;
    this.#kept = kept;
    this.#path = path;
  }

  /** Begins a call, and does the same to the map. The function that it gives waits for the call, and compares. */
  start(one: Call): () => Promise<void> {
    if (one.kind === 'reopen') return () => this.#reopen(one.keep);
    const { db } = this;
    if (one.kind === 'add') {
      const ids = one.rows.map((_, i) => (one.ids ? one.ids[i]! : this.#next + i));
      const call = settled(db.add(Float32Array.from(one.rows.flat()), one.ids ? ids : undefined));
      if (ids.some((id) => this.rows.has(id)) || one.rows.some((given) => this.#isRefused(given))) return refused(call);
      for (const [i, id] of ids.entries()) this.rows.set(id, this.#kept.get(String(one.rows[i]))!);
      this.#next = Math.max(this.#next, ...ids.map((id) => id + 1));
      return async () => expect([...(await resultOf(call))]).toEqual(ids);
    }
    if (one.kind === 'remove') {
      const call = settled(db.remove(one.ids));
      if (!one.ids.every((id) => this.rows.has(id))) return refused(call);
      for (const id of one.ids) this.rows.delete(id);
      return async () => void (await resultOf(call));
    }
    const now = new Map(this.rows);
    if (one.kind === 'search') {
      const call = settled(db.search(Float32Array.from(one.query), one.k));
      if (one.k > now.size || this.#isRefused(one.query)) return refused(call);
      return async () => this.#compare(now, one.query, one.k, await resultOf(call));
    }
    if (one.kind === 'save') {
      const path = `${this.#path}-${this.#files++}`;
      const call = settled(db.save(path));
      return async () => {
        await resultOf(call);
        using stored = await RetrievalDatabase.open(db.device, path, { keep: one.keep });
        expect(stored.size).toBe(now.size);
        await gathered(stored, now, [...now.keys()])();
      };
    }
    const all = [...now.keys()];
    const ids = all.length === 0 ? [] : one.at.map((i) => all[i % all.length]!);
    return gathered(db, now, ids);
  }

  #isRefused(given: readonly number[]): boolean {
    return this.db.metric === 'cosine' && given.every((x) => x === 0);
  }

  async #reopen(keep: boolean): Promise<void> {
    await this.db.save(this.#path);
    this.db.dispose();
    this.db = await RetrievalDatabase.open(this.db.device, this.#path, { keep });
  }

  #compare(
    now: ReadonlyMap<number, readonly number[]>,
    query: readonly number[],
    k: number,
    found: { ids: Int32Array; scores: Float32Array },
  ): void {
    const { metric, dtype } = this.db;
    const rows: Named[] = [...now].map(([id, row]) => ({ id, row }));
    const expected = bruteForce(metric, query, rows, k);
    const scores = Float32Array.from(expected.scores);
    if (dtype !== 'i8') {
      expect(found).toEqual({ ids: Int32Array.from(expected.ids), scores });
      return;
    }
    // Three numbers of at most 3, a query's too: a product changes by 3 · 3 roundings, a squared distance by 3 · 2 · 6,
    // a cosine by twice √3 of them, as no row is shorter than 1; a score is rounded to f32 once.
    const most = { dot: 9, l2: 37, cosine: 4 }[metric] * roundingOf(dtype);
    const near = (a: number, b: number): void =>
      expect(Math.abs(a - b)).toBeLessThanOrEqual(most + 2 ** -24 * Math.abs(b));
    expect(new Set(found.ids).size).toBe(k);
    for (const [i, id] of found.ids.entries()) {
      near(found.scores[i]!, expected.scores[i]!);
      near(found.scores[i]!, scoreOf(metric, query, now.get(id)!));
      const alike = [...now].filter(([other, row]) => other < id && String(row) === String(now.get(id)));
      for (const [other] of alike) expect(found.ids.subarray(0, i)).toContain(other);
    }
  }
}

type Settled<T> = Promise<{ value: T } | { error: unknown }>;
/** A call whose failure nobody has to expect at once. */
const settled = <T>(call: Promise<T>): Settled<T> =>
  call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
const refused = (call: Settled<unknown>) => async (): Promise<void> =>
  expect(await call).toMatchObject({ error: { code: 'ERR_ARGUMENT' } });

async function resultOf<T>(call: Settled<T>): Promise<T> {
  const end = await call;
  if ('error' in end) throw end.error;
  return end.value;
}

/** Begins to gather some rows; what it gives compares them. */
function gathered(db: RetrievalDatabase, now: ReadonlyMap<number, readonly number[]>, ids: readonly number[]) {
  const call = settled(db.gather(Int32Array.from(ids)));
  return async (): Promise<void> => {
    using rows = await resultOf(call);
    expect([...(await rows.read())]).toEqual(ids.flatMap((id) => [...now.get(id)!]));
  };
}
