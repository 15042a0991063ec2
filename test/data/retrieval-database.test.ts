// Devices: cpu, cuda
// Source: formula "finds what a comparison with every row in f64 finds"
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Turns } from '../../lib/core/turns.ts';
import { RetrievalDatabase } from '../../lib/data/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import { normal, uniform } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { bruteForce, type Metric, type Named, rowsOf } from './brute.ts';
import { anyStep, keptRows, Model } from './database-model.ts';

const metrics = ['cosine', 'dot', 'l2'] as const;
const dtypes = ['f32', 'f16', 'i8'] as const;
const isEmulated = devices[0] === 'cuda';

/** Rows around centres, so that many are about as near as each other. */
function clusters(count: number, dim: number, seed: number): Float32Array {
  const centres = normal(50 * dim, seed);
  const next = uniform(seed);
  const noise = normal(count * dim, seed + 1, 0.3);
  return Float32Array.from({ length: count * dim }, (_, i) => {
    const centre = i % dim === 0 ? Math.floor(next() * 50) : undefined;
    if (centre !== undefined) clusters.at = centre;
    return centres[clusters.at * dim + (i % dim)]! + noise[i]!;
  });
}
clusters.at = 0;

describe.each(devices)('RetrievalDatabase on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(metrics)('by %s', (metric) => {
    it.each(dtypes)('finds what a comparison with every row in f64 finds, %s', async (dtype) => {
      const [count, dim, asked, k] = isEmulated ? [300, 20, 3, 4] : [5000, 64, 8, 10];
      using db = new RetrievalDatabase(device, dim, { metric, dtype });
      const data = clusters(count, dim, 3);
      await db.add(data);
      const queries = clusters(asked, dim, 3);
      const { ids, scores } = await db.search(queries, k);
      // Of f16 and i8 the rows as they are kept; f32 does not show the last bits of those of i8.
      using kept = await db.gather(Int32Array.from({ length: count }, (_, i) => i));
      const rows = rowsOf(await kept.read(), dim);
      let same = 0;
      for (let q = 0; q < asked; ++q) {
        const query = queries.subarray(q * dim, (q + 1) * dim);
        const expected = bruteForce(metric, query, rows, k);
        const own = [...ids.subarray(q * k, (q + 1) * k)];
        if (dtype !== 'i8') expect(own).toEqual(expected.ids);
        for (let i = 0; i < k; ++i)
          expect(Math.abs(scores[q * k + i]! - expected.scores[i]!)).toBeLessThan(
            1e-5 * (1 + Math.abs(expected.scores[i]!)),
          );
        const exact = new Set(bruteForce(metric, query, rowsOf(data, dim), k).ids);
        same += own.filter((id) => exact.has(id)).length;
      }
      // Of the rows before they were rounded.
      expect(same / (asked * k)).toBeGreaterThanOrEqual(dtype === 'f16' ? 0.95 : 0.99);
    });
  });

  it('does not see the length of a query under cosine', async () => {
    using db = new RetrievalDatabase(device, 8);
    await db.add(Float32Array.from(normal(8 * 500, 1)));
    const query = Float32Array.from(normal(8, 2));
    const { ids } = await db.search(query, 20);
    for (const scale of [1e-20, 0.3, 7, 1e20])
      expect(
        (
          await db.search(
            query.map((x) => x * scale),
            20,
          )
        ).ids,
      ).toEqual(ids);
  });

  it('takes tensors and arrays, ids of any kind, and changes in their order', async () => {
    using db = new RetrievalDatabase(device, 2, { metric: 'l2' });
    const rows = Tensor.from(device, [5, 5, 1, 1, 3, 3], [3, 2], { dtype: 'f64' });
    const first = db.add(rows, BigInt64Array.of(30n, 2n, 7n));
    rows.write([0, 0, 0, 0, 0, 0]);
    const second = db.add(Float32Array.of(2, 2));
    const removed = db.remove([7]);
    const found = db.search(Float32Array.of(0, 0), 3);
    const late = db.add(Float32Array.of(0, 0), [0]);
    expect([...(await first)]).toEqual([30, 2, 7]);
    expect([...(await second)]).toEqual([31]);
    expect(await found).toEqual({ ids: Int32Array.of(2, 31, 30), scores: Float32Array.of(2, 8, 50) });
    await Promise.all([removed, late]);
    expect(db.size).toBe(4);
    using gathered = await db.gather(Int32Array.of(30, 0, 30));
    expect([...(await gathered.read())]).toEqual([5, 5, 0, 0, 5, 5]);
    await db.add(new Float32Array(0));
    expect((await db.search(new Float32Array(0), 1)).ids.length).toBe(0);
  });

  it('agrees with a map of rows through any changes, searches and files', { timeout: 60_000 }, async () => {
    using folder = new Folder();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...metrics),
        fc.constantFrom(...dtypes),
        fc.array(anyStep, { maxLength: 14 }),
        async (metric, dtype, steps) => {
          const db = new RetrievalDatabase(device, 3, { metric, dtype });
          const model = new Model(db, await keptRows(device, dtype), folder.file('x'));
          for (const one of steps) {
            // Calls of one step all begin before any of them ends.
            const ends = (one.kind === 'together' ? one.calls : [one]).map((call) => model.start(call));
            for (const end of ends) await end();
            expect(model.db.size).toBe(model.rows.size);
          }
          model.db.dispose();
        },
      ),
      { numRuns: isEmulated ? 20 : 100, seed: 7 },
    );
  });

  it('finds the same with rows that are gone but still in memory, whose others are copied now and then', async () => {
    using folder = new Folder();
    for (const metric of metrics) {
      using db = new RetrievalDatabase(device, 4, { metric });
      const count = 400;
      const all = normal(4 * count, 1).map(Math.fround);
      const rows = new Map<number, readonly number[]>();
      for (let id = 0; id < count; ++id) rows.set(id, [...all.subarray(4 * id, 4 * id + 4)]);
      await db.add(Float32Array.from(all));
      const sizes = new Set([db.bytes]);
      // The rows nearest to a query go first, and so are those that a search has to pass over.
      const query = [1, -2, 0.5, 3];
      const listed = (): Named[] => [...rows].map(([id, row]) => ({ id, row }));
      for (let round = 0; round < 30; ++round) {
        const { ids } = bruteForce(metric, query, listed(), 5);
        await db.remove(ids);
        for (const id of ids) rows.delete(id);
        sizes.add(db.bytes);
        for (const k of [1, 7, ...(round % 10 === 9 ? [rows.size] : [])]) {
          const expected = bruteForce(metric, query, listed(), k);
          expect((await db.search(Float32Array.from([...query, ...query]), k)).ids).toEqual(Int32Array.from([...expected.ids, ...expected.ids])); // biome-ignore format: one line
        }
      }
      expect(sizes.size).toBeLessThan(6);
      expect(db.size).toBe(count - 150);
      await db.save(folder.file('x'));
      using again = await RetrievalDatabase.open(device, folder.file('x'));
      // Of a file, nothing is read for it.
      await again.remove([...rows.keys()].slice(3, 9));
      expect([again.bytes, again.size]).toEqual([0, db.size - 6]);
      await expect(again.remove([...rows.keys()].slice(3, 4))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
      using kept = await again.gather(Int32Array.from([...rows.keys()].slice(9, 12)));
      expect([...(await kept.read())]).toEqual([...rows.values()].slice(9, 12).flat());
    }
  });

  it('gives all memory back, also after failures', async () => {
    const before = (await settledMemory(device)).live;
    using folder = new Folder();
    for (const dtype of dtypes) {
      const db = new RetrievalDatabase(device, 5, { dtype });
      for (let i = 1; i < 9; ++i) await db.add(Float32Array.from(normal(5 * i, i)));
      await expect(db.add(Float32Array.of(1, 2, 3, NaN, 5))).rejects.toThrow('rows[0] must be finite');
      await expect(db.add(new Float32Array(5))).rejects.toThrow('rows[0] must not be zero');
      await expect(db.add(Float32Array.of(1, 2, 3, 4, 5), [3])).rejects.toThrow('3, which is there already');
      await expect(db.search(Float32Array.of(1, 2, 3, 4, Infinity), 1)).rejects.toThrow('queries[0] must be finite');
      await db.remove([0, 7, 9]);
      await db.save(folder.file('x'));
      for (const keep of [true, false]) {
        const again = await RetrievalDatabase.open(device, folder.file('x'), { keep });
        await again.search(Float32Array.of(1, 2, 3, 4, 5), 2);
        expect(again.bytes).toBe(keep ? db.size * { f32: 20, f16: 10, i8: 26 }[dtype] : 0);
        const running = again.search(Float32Array.of(1, 2, 3, 4, 5), 2);
        again.dispose();
        await expect(running).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
      }
      db.dispose();
    }
    expect((await settledMemory(device)).live).toBe(before);
  });
});

describe.each(onlyCpu)('RetrievalDatabase, whatever the device', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const filled = async (metric: Metric = 'cosine'): Promise<RetrievalDatabase> => {
    const db = new RetrievalDatabase(device, 2, { metric });
    await db.add(Float32Array.of(1, 0, 0, 1));
    return db;
  };
  const one = Float32Array.of(1, 1);
  const transferred = <T extends ArrayBufferView>(array: T): T => {
    structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
    return array;
  };

  it.each([
    ['no device', () => new RetrievalDatabase({} as never, 2), 'ERR_ARGUMENT'],
    ['a dim of 0', () => new RetrievalDatabase(device, 0), 'ERR_ARGUMENT'],
    ['an unknown metric', () => new RetrievalDatabase(device, 2, { metric: 'l1' as never }), 'ERR_ARGUMENT'],
    ['an unknown dtype', () => new RetrievalDatabase(device, 2, { dtype: 'f64' as never }), 'ERR_ARGUMENT'],
  ])('refuses %s', (_, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }));
  });

  it.each<[string, (db: RetrievalDatabase) => Promise<unknown>, string]>([
    ['rows of another length', (db) => db.add(Tensor.zeros(device, [1, 3])), 'ERR_SHAPE'],
    ['numbers that are no rows', (db) => db.add(Float32Array.of(1, 2, 3)), 'ERR_SHAPE'],
    ['rows of integers', (db) => db.add(Tensor.zeros(device, [1, 2], { dtype: 'i32' })), 'ERR_DTYPE'],
    ['rows that are a list', (db) => db.add([1, 2] as never), 'ERR_ARGUMENT'],
    ['too few ids', (db) => db.add(Float32Array.of(1, 2, 3, 4), [5]), 'ERR_SHAPE'],
    ['ids that stand twice', (db) => db.add(Float32Array.of(1, 2, 3, 4), [5, 5]), 'ERR_ARGUMENT'],
    ['ids beyond int32', (db) => db.add(one, BigInt64Array.of(2n ** 31n)), 'ERR_ARGUMENT'],
    ['ids beyond 2^53', (db) => db.add(one, BigInt64Array.of(2n ** 62n)), 'ERR_ARGUMENT'],
    ['negative ids', (db) => db.add(one, [-1]), 'ERR_ARGUMENT'],
    ['ids that are fractions', (db) => db.add(one, [0.5]), 'ERR_ARGUMENT'],
    [
      'no id left',
      (db) =>
        db
          .add(
            one.map((x) => -x),
            [2 ** 31 - 1],
          )
          .then(() => db.add(one)),
      'ERR_ARGUMENT',
    ],
    ['rows whose memory was transferred', (db) => db.add(transferred(new Float32Array(2))), 'ERR_ARGUMENT'],
    ['queries whose memory was transferred', (db) => db.search(transferred(new Float32Array(2)), 1), 'ERR_ARGUMENT'],
    ['removal by ids whose memory was transferred', (db) => db.remove(transferred(Int32Array.of(0))), 'ERR_ARGUMENT'],
    ['gathering by ids whose memory was transferred', (db) => db.gather(transferred(Int32Array.of(0))), 'ERR_ARGUMENT'],
    ['k 0', (db) => db.search(one, 0), 'ERR_ARGUMENT'],
    ['k above the size', (db) => db.search(one, 3), 'ERR_ARGUMENT'],
    ['a query of zeros', (db) => db.search(new Float32Array(2), 1), 'ERR_ARGUMENT'],
    ['a query that is NaN', (db) => db.search(Float32Array.of(1, NaN), 1), 'ERR_ARGUMENT'],
    ['removal of an unknown id', (db) => db.remove([1, 2]), 'ERR_ARGUMENT'],
    ['removal of an id twice', (db) => db.remove([1, 1]), 'ERR_ARGUMENT'],
    ['gathering of an unknown id', (db) => db.gather(Int32Array.of(2)), 'ERR_ARGUMENT'],
    ['an aborted search', (db) => db.search(one, 1, { signal: AbortSignal.abort(new Error('stop')) }), 'stop'],
  ])('refuses %s and is as before', async (_, act, code) => {
    using db = await filled();
    const error = await act(db).then(
      () => undefined,
      (reason: unknown) => reason as { code?: string; message: string },
    );
    expect(error?.code ?? error?.message).toBe(code);
    expect((await db.search(Float32Array.of(1, 0.5), 2)).ids).toEqual(Int32Array.of(0, 1));
  });

  it.each([
    ['overwrites', (ids: Int32Array) => ids.fill(99)],
    ['transfers', (ids: Int32Array) => structuredClone(ids, { transfer: [ids.buffer as ArrayBuffer] })],
  ])('does not see that a caller %s the ids that it has returned', async (_, spoil) => {
    for (const named of [undefined, [0, 1]]) {
      using db = new RetrievalDatabase(device, 2);
      spoil(await db.add(Float32Array.of(1, 0, 0, 1), named));
      expect(db.size).toBe(2);
      expect((await db.search(Float32Array.of(1, 0.5), 2)).ids).toEqual(Int32Array.of(0, 1));
      await db.remove([0]);
      expect((await db.search(Float32Array.of(1, 0.5), 1)).ids).toEqual(Int32Array.of(1));
    }
  });

  it('keeps nothing that its changes have returned', async () => {
    using db = new RetrievalDatabase(device, 2);
    const returned: WeakRef<Int32Array>[] = [];
    for (let i = 0; i < 3; ++i) returned.push(new WeakRef(await db.add(Float32Array.of(1, 0))));
    await db.remove([0]);
    for (let turn = 0; turn < 3; ++turn) await new Promise(setImmediate);
    await settledMemory(device);
    expect(returned.map((ids) => ids.deref())).toEqual([undefined, undefined, undefined]);
  });

  it('has a code for more results than there is room for', async () => {
    using db = new RetrievalDatabase(device, 1, { metric: 'dot' });
    await db.add(new Float32Array(2 ** 19));
    const call = db.search(new Float32Array(2 ** 20), 2 ** 19);
    // JavaScript has no such array, even where a process may have any memory.
    await expect(call).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(MEMORY|UNSUPPORTED)$/) });
  });

  it('gives others a turn while it puts many results in order', async () => {
    using db = new RetrievalDatabase(device, 1, { metric: 'dot' });
    await db.add(Float32Array.from(normal(2000, 1)));
    const turns = vi.spyOn(Turns.prototype, 'next');
    vi.spyOn(Turns.prototype, 'isDue', 'get').mockReturnValue(true);
    try {
      const { ids } = await db.search(Float32Array.from(normal(50, 2)), 2000);
      expect(turns.mock.calls.length).toBeGreaterThan(5);
      for (let q = 0; q < 50; ++q) expect(new Set(ids.subarray(2000 * q, 2000 * q + 2000)).size).toBe(2000);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('gives others a turn while it puts many ids in order', async () => {
    using db = new RetrievalDatabase(device, 1, { metric: 'dot' });
    const turns = vi.spyOn(Turns.prototype, 'next');
    const within = async (most: number, call: Promise<unknown>): Promise<void> => {
      await call;
      expect(turns.mock.calls.length).toBeGreaterThan(most);
      turns.mockClear();
    };
    vi.spyOn(Turns.prototype, 'isDue', 'get').mockReturnValue(true);
    try {
      const count = 2 ** 16;
      const rows = new Float32Array(count).fill(1);
      // Four parts a pass: nine passes put so many ids in order, and one finds rows in four parts each; rows that come
      // between others are put in order with those, twice as many, in eight.
      const places = Int32Array.from(rows.keys());
      await within(3, db.add(rows));
      await within(50, db.add(rows, places.map((i) => 4 * count - 2 * i))); // biome-ignore format: one line
      await within(50 + 60, db.add(rows, places.map((i) => 4 * count - 2 * i - 1))); // biome-ignore format: one line
      expect(db.size).toBe(3 * count);
      using some = await db.gather(places);
      expect(some.shape).toEqual([count, 1]);
      turns.mockClear();
      await within(35 + 30, db.remove(places.toReversed()));
      const { ids } = await db.search(Float32Array.of(1), 3);
      expect(ids).toEqual(Int32Array.of(2 * count + 1, 2 * count + 2, 2 * count + 3));
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('refuses rows that f16 cannot hold', async () => {
    using db = new RetrievalDatabase(device, 2, { dtype: 'f16' });
    await expect(db.add(Float32Array.of(1, 1, 1e5, 1), [9, 3])).rejects.toThrow('rows[1] must be finite in f16');
    await expect(db.add(Float32Array.of(1e-9, 0, 1, 1))).rejects.toThrow('rows[0] must not be zero');
    expect(db.size).toBe(0);
  });

  it('gives the same bits with any number of threads', async () => {
    const found: string[] = [];
    for (const threads of [1, 2, 3]) {
      const own = Device.open('cpu', { threads });
      for (const dtype of dtypes) {
        using db = new RetrievalDatabase(own, 40, { dtype });
        await db.add(clusters(3000, 40, 5));
        const { ids, scores } = await db.search(clusters(70, 40, 5), 9);
        found.push(`${threads} ${dtype}`, String(ids), String(scores));
      }
      await own.close();
    }
    const of = (threads: number): string[] => found.slice((threads - 1) * 9, threads * 9).filter((_, i) => i % 3 > 0);
    expect(of(2)).toEqual(of(1));
    expect(of(3)).toEqual(of(1));
  });

  it('goes on after a search that was aborted while it read a file', async () => {
    using folder = new Folder();
    {
      using db = await filled();
      await db.save(folder.file('x'));
    }
    using db = await RetrievalDatabase.open(device, folder.file('x'));
    const stop = new AbortController();
    const running = db.search(one, 1, { signal: stop.signal });
    const other = db.search(Float32Array.of(1, 0.5), 2);
    stop.abort(new Error('stop'));
    await expect(running).rejects.toThrow('stop');
    expect((await other).ids).toEqual(Int32Array.of(0, 1));
  });

  it('refuses everything once disposed', async () => {
    const db = await filled('dot');
    db.dispose();
    db.dispose();
    const calls = [db.add(one), db.remove([0]), db.search(one, 1), db.gather(Int32Array.of(0)), db.save('x')];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});
