// Devices: cpu
import { describe, expect, it } from 'vitest';
import { uniform, uniforms } from '../../lib/core/philox.ts';
import { TopMemory } from '../../lib/data/index.ts';
import { Device, Tensor } from '../../lib/index.ts';

// Source: closed form "counts of draws within 4 standard deviations; chi-squared within its 0.99999 quantile"

describe('the host generator', () => {
  it('draws what Tensor.rand draws', async () => {
    const device = Device.open('cpu');
    const expected = await Tensor.rand(device, [65], { dtype: 'f64', seed: 2 ** 40 + 7, stream: 3, offset: 5 }).read();
    expect(Array.from({ length: 65 }, (_, i) => uniform(2 ** 40 + 7, 3, i + 5))).toEqual([...expected]);
    // Two elements are of one block: spans begin and end at either.
    for (const [from, to] of [[0, 65], [1, 65], [1, 64], [2, 3], [3, 4], [4, 4]] as const) // biome-ignore format: one line
      expect(uniforms(2 ** 40 + 7, 3, 5 + from, to - from)).toEqual(expected.subarray(from, to));
  });
});

describe('TopMemory', () => {
  const filled = (): TopMemory => {
    const memory = new TopMemory({ seed: 4 });
    for (let id = 0; id < 50; ++id) memory.record(new Int32Array(50 - id).fill(id * 3));
    return memory;
  };

  it('draws in proportion to counts', () => {
    const counts = new Map<number, number>();
    const draws = 100_000;
    const memory = filled();
    for (let call = 0; call < 2; ++call)
      for (const id of memory.sample(draws / 2, { size: 50, weighted: true }))
        counts.set(id, (counts.get(id) ?? 0) + 1);
    let chi2 = 0;
    for (let id = 0; id < 50; ++id) {
      const expected = (draws * (50 - id)) / 1275;
      chi2 += ((counts.get(id * 3) ?? 0) - expected) ** 2 / expected;
    }
    expect(chi2).toBeLessThan(49 + 5 * Math.sqrt(98));
  });

  it('draws from a share, a count or all, the lower id of equal counts first', () => {
    const memory = filled();
    expect(new Set(memory.sample(1000, { size: 0.1 }))).toEqual(new Set([0, 3, 6, 9, 12]));
    expect(new Set(memory.sample(1000, { size: 2 }))).toEqual(new Set([0, 3]));
    expect(new Set(memory.sample(9999, { size: 1000 })).size).toBe(50);
    memory.record(new Int32Array(49).fill(149));
    expect(new Set(memory.sample(1000, { size: 2 }))).toEqual(new Set([0, 3]));
    expect(new Set(memory.sample(1000, { size: 0.001 }))).toEqual(new Set([0]));
    expect(memory.sample(0, { size: 1 })).toEqual(new Int32Array(0));
  });

  it('draws what Tensor.rand draws in stream 1, in calls of any size', async () => {
    const device = Device.open('cpu');
    const memory = new TopMemory({ seed: 9 });
    memory.record(Int32Array.of(5, 6, 7));
    const parts = [1, 4, 2, 9].flatMap((n) => [...memory.sample(n, { size: 3 })]);
    const shares = await Tensor.rand(device, [16], { dtype: 'f64', seed: 9, stream: 1 }).read();
    expect(parts).toEqual([...shares].map((share) => 5 + Math.floor(3 * share)));
  });

  it('holds the event loop for 65,536 draws at most', () => {
    const memory = filled();
    expect(memory.sample(2 ** 16, { size: 1 }).length).toBe(2 ** 16);
    expect(() => memory.sample(2 ** 16 + 1, { size: 1 })).toThrow('n must be a whole number from 0 to 65536');
    expect(memory.state.offset).toBe(2 ** 16);
  });

  it('goes on from its state', () => {
    const memory = filled();
    memory.sample(7, { size: 10 });
    const again = TopMemory.restore(JSON.parse(JSON.stringify(memory.state)));
    expect(again.sample(20, { size: 10, weighted: true })).toEqual(memory.sample(20, { size: 10, weighted: true }));
    expect(again.count(3)).toBe(49);
  });

  it.each([
    ['no seed', () => new TopMemory({} as never), 'ERR_ARGUMENT'],
    ['nothing recorded', () => new TopMemory({ seed: 1 }).sample(1, { size: 1 }), 'ERR_ARGUMENT'],
    ['size 0', () => filled().sample(1, { size: 0 }), 'ERR_ARGUMENT'],
    ['size 1.5', () => filled().sample(1, { size: 1.5 }), 'ERR_ARGUMENT'],
    ['no size', () => filled().sample(1, {} as never), 'ERR_ARGUMENT'],
    ['n -1', () => filled().sample(-1, { size: 1 }), 'ERR_ARGUMENT'],
    ['negative ids', () => filled().record(Int32Array.of(1, -1)), 'ERR_ARGUMENT'],
    ['ids as a list', () => filled().record([1] as never), 'ERR_ARGUMENT'],
    ['a torn state', () => TopMemory.restore({ ...filled().state, counts: [1] }), 'ERR_STATE'],
    ['ids in disorder', () => TopMemory.restore({ seed: 1, offset: 0, ids: [2, 1], counts: [1, 1] }), 'ERR_STATE'],
  ])('refuses %s', (_, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }));
  });
});
