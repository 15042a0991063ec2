// Devices: cpu
import { describe, expect, it } from 'vitest';
import { uniform } from '../../lib/core/philox.ts';
import { TopMemory } from '../../lib/data/index.ts';
import { Device, Tensor } from '../../lib/index.ts';

// Source: closed form "counts of draws within 4 standard deviations; chi-squared within its 0.99999 quantile"

describe('the host generator', () => {
  it('draws what Tensor.rand draws', async () => {
    const device = Device.open('cpu');
    const expected = await Tensor.rand(device, [65], { dtype: 'f64', seed: 2 ** 40 + 7, stream: 3, offset: 5 }).read();
    expect(Array.from({ length: 65 }, (_, i) => uniform(2 ** 40 + 7, 3, i + 5))).toEqual([...expected]);
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
    for (const id of filled().sample(draws, { size: 50, weighted: true })) counts.set(id, (counts.get(id) ?? 0) + 1);
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
