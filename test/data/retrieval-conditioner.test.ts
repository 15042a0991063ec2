// Devices: cpu, cuda
// Source: closed form "replaces as many contexts as the rate says, within 4 standard deviations"
import { afterAll, describe, expect, it } from 'vitest';
import { RetrievalConditioner, RetrievalDatabase } from '../../lib/data/index.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';

describe.each(devices)('RetrievalConditioner on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const filled = async (scale = 1): Promise<RetrievalDatabase> => {
    const db = new RetrievalDatabase(device, 2);
    await db.add(Float32Array.of(2, 0, 0, 3, 4, 4, -5, 0).map((x) => x * scale));
    return db;
  };
  const plain = Tensor.from(device, [7, 8], [2]);
  const query = Float32Array.of(1, 0.1, 0.1, 1);
  const own = { k: 2, unconditional: plain, seed: 3 };
  const valuesOf = async (context: Promise<{ context: Tensor }>): Promise<number[]> => {
    using one = (await context).context;
    return [...(await one.read())].map((x) => Math.round(x * 10) / 10 + 0);
  };

  it('gives rows as they are, the nearest first, with the query where it is asked for', async () => {
    using db = await filled();
    const { context, mask, ids } = await new RetrievalConditioner(db, own).context(query);
    expect(context.shape).toEqual([2, 2, 2]);
    expect([...(await context.read())]).toEqual([2, 0, 4, 4, 0, 3, 4, 4]);
    expect(mask).toEqual(new Uint8Array(2));
    expect(ids).toEqual(Int32Array.of(0, 2, 1, 2));
    const first = new RetrievalConditioner(db, { ...own, includeQuery: 'first' });
    expect(await valuesOf(first.context(query))).toEqual([1, 0.1, 2, 0, 0.1, 1, 0, 3]);
    const only = new RetrievalConditioner(db, { ...own, includeQuery: 'only' });
    expect(await valuesOf(only.context(query))).toEqual([1, 0.1, 1, 0.1, 0.1, 1, 0.1, 1]);
    expect((await only.context(query)).ids.length).toBe(0);
    expect((await first.context(new Float32Array(0))).context.shape).toEqual([0, 2, 2]);
  });

  it.each([
    ['none', 2],
    ['first', 1],
    ['first', 2],
    ['only', 2],
  ] as const)('refuses queries that no search takes, whatever it gives: %s, %i rows', async (includeQuery, k) => {
    using db = await filled();
    const conditioner = new RetrievalConditioner(db, { ...own, k, includeQuery });
    await expect(conditioner.context(Float32Array.of(1, 1, NaN, 1))).rejects.toThrow('queries[1] must be finite');
    await expect(conditioner.context(Float32Array.of(0, 0))).rejects.toThrow('queries[0] must not be zero');
  });

  it('replaces as many contexts as the rate says, within 4 standard deviations', async () => {
    using db = await filled();
    const conditioner = new RetrievalConditioner(db, { ...own, k: 1, rate: 0.3 });
    const [batch, batches] = [1000, kind === 'cpu' ? 100 : 3];
    let replaced = 0;
    for (let i = 0; i < batches; ++i) {
      const { context, mask } = await conditioner.context(new Float32Array(2 * batch).fill(1), { training: true });
      if (i < 3) {
        const values = await context.read();
        for (const [item, own] of mask.entries())
          expect([...values.subarray(2 * item, 2 * item + 2)]).toEqual(own === 1 ? [7, 8] : [4, 4]);
      }
      context.dispose();
      replaced += mask.reduce((sum, x) => sum + x, 0);
    }
    const draws = batch * batches;
    expect(Math.abs(replaced - 0.3 * draws)).toBeLessThan(4 * Math.sqrt(draws * 0.3 * 0.7));
    expect(conditioner.state).toEqual({ seed: 3, offset: draws });
  });

  it('goes on from its state, and draws nothing without training', async () => {
    using db = await filled();
    const make = () => new RetrievalConditioner(db, { ...own, rate: 0.5 });
    const batch = new Float32Array(80).fill(1);
    const [one, two] = [make(), make()];
    const masks = [await one.context(batch, { training: true }), await one.context(batch, { training: true })];
    await two.context(batch);
    two.restore({ seed: 3, offset: 40 });
    expect((await two.context(batch, { training: true })).mask).toEqual(masks[1]!.mask);
    expect(masks[0]!.mask).not.toEqual(masks[1]!.mask);
    expect(() => two.restore({ seed: 4, offset: 0 })).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
  });

  it('has a row of the context without condition for each place', async () => {
    using db = await filled();
    const unconditional = Tensor.from(device, [1, 2, 3, 4], [2, 2], { dtype: 'f16' });
    const conditioner = new RetrievalConditioner(db, { ...own, unconditional, rate: 1 });
    expect(await valuesOf(conditioner.context(query, { training: true }))).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
    expect(await valuesOf(conditioner.context(query))).toEqual([2, 0, 4, 4, 0, 3, 4, 4]);
  });

  it('searches another database after a swap', async () => {
    using db = await filled();
    using other = await filled(-1);
    const conditioner = new RetrievalConditioner(db, own);
    conditioner.swap(other);
    expect(conditioner.database).toBe(other);
    expect(await valuesOf(conditioner.context(query))).toEqual([5, 0, 0, -3, 5, 0, -2, 0]);
  });

  it('refuses what does not fit, and gives memory back', async () => {
    const before = (await settledMemory(device)).live;
    using db = await filled();
    const small = new RetrievalConditioner(db, { ...own, k: 5 });
    await expect(small.context(query)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(small.context(Float32Array.of(1, 2, 3))).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    const thrown = (options: object, of: unknown = db) => {
      try {
        new RetrievalConditioner(of as never, { ...own, ...options });
      } catch (error) {
        return (error as { code: string }).code;
      }
      return undefined;
    };
    expect(thrown({ k: 0 })).toBe('ERR_ARGUMENT');
    expect(thrown({ k: undefined })).toBe('ERR_ARGUMENT');
    expect(thrown({ rate: 1.5 })).toBe('ERR_ARGUMENT');
    expect(thrown({ seed: undefined })).toBe('ERR_ARGUMENT');
    expect(thrown({ unconditional: undefined })).toBe('ERR_ARGUMENT');
    expect(thrown({ unconditional: Tensor.zeros(device, [3]) })).toBe('ERR_SHAPE');
    expect(thrown({ unconditional: Tensor.zeros(device, [2], { dtype: 'i32' }) })).toBe('ERR_DTYPE');
    expect(thrown({}, {})).toBe('ERR_ARGUMENT');
    const conditioner = new RetrievalConditioner(db, own);
    using wide = new RetrievalDatabase(device, 3);
    expect(() => conditioner.swap(wide)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    db.dispose();
    await expect(conditioner.context(query)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(() => conditioner.swap(db)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
    expect((await settledMemory(device)).live).toBeLessThanOrEqual(before);
  });
});
