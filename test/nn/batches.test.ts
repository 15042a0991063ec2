// Devices: cpu
// Batches come in one order on every machine, and go on from any place.
import { describe, expect, it } from 'vitest';
import * as nn from '../../lib/nn/index.ts';

const taken = (options: nn.BatchesOptions, many: number): nn.Batch[] => {
  const all: nn.Batch[] = [];
  for (const batch of nn.batches(options)) {
    if (all.length === many) return all;
    all.push(batch);
  }
  return all;
};
const numbers = (batches: readonly nn.Batch[]): number[] => batches.flatMap(({ index }) => [...index]);

describe('batches of orthokit/nn', () => {
  it('are these, on every machine', () => {
    expect(numbers(taken({ count: 10, size: 4, seed: 1 }, 6))).toEqual([
      8, 3, 7, 1, 4, 5, 2, 6, 0, 9, 3, 5, 1, 4, 7, 8, 0, 6, 9, 2,
    ]);
    expect(numbers(taken({ count: 1_000_000, size: 4, seed: 2 ** 53 - 1 }, 1))).toEqual([
      302119, 753456, 964098, 104836,
    ]);
  });

  it.each([1, 2, 3, 10, 101, 4096, 4097])('have each of %i samples once an epoch, in orders of their own', (count) => {
    const size = Math.min(7, count);
    const batches = taken({ count, size, seed: 3 }, 2 * Math.ceil(count / size));
    for (const epoch of [0, 1]) {
      const own = batches.filter((batch) => batch.epoch === epoch);
      expect(numbers(own).sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
      expect(own.at(-1)!.position).toBe(count);
    }
    if (count > 10) expect(numbers(batches.slice(0, batches.length / 2))).not.toEqual([...Array(count).keys()]);
    if (count > 10)
      expect(numbers(batches.slice(0, batches.length / 2))).not.toEqual(numbers(batches.slice(batches.length / 2)));
  });

  it('go on from the place after any batch', () => {
    const options = { count: 11, size: 4, seed: 5 };
    const all = taken(options, 9);
    for (const [i, { epoch, position }] of all.entries())
      expect(taken({ ...options, from: { epoch, position } }, 8 - i)).toEqual(all.slice(i + 1));
  });

  it('may be walked twice', () => {
    const batches = nn.batches({ count: 5, size: 5, seed: 1 });
    const first = () => {
      for (const { index } of batches) return [...index];
      return [];
    };
    expect(first()).toEqual(first());
  });

  it('are as even as chance: places of samples, and neighbours', () => {
    const [count, epochs] = [8, 4000];
    const places = Array.from({ length: count }, () => new Float64Array(count));
    const pairs = Array.from({ length: count }, () => new Float64Array(count));
    for (const { index } of taken({ count, size: count, seed: 9 }, epochs))
      for (const [place, sample] of index.entries()) {
        places[place]![sample]! += 1;
        if (place > 0) pairs[index[place - 1]!]![sample]! += 1;
      }
    const chi = (table: readonly Float64Array[], expected: number, isCounted: (i: number, j: number) => boolean) =>
      table.reduce(
        (sum, row, i) =>
          sum + row.reduce((part, x, j) => part + (isCounted(i, j) ? (x - expected) ** 2 / expected : 0), 0),
        0,
      );
    // 49 degrees of freedom, of which 1 in 1,000 exceeds 85.4; and 56 cells.
    expect(chi(places, epochs / count, () => true)).toBeLessThan(85.4);
    expect(chi(pairs, (epochs * 7) / 56, (i, j) => i !== j)).toBeLessThan(95);
  });

  it.each<[string, object]>([
    ['count must be a whole number from 1 to 2147483647, got undefined', { size: 1, seed: 1 }],
    ['size must be a whole number from 1 to 2147483647, got 0', { count: 5, size: 0, seed: 1 }],
    ['size must be at most count, 5, got 6', { count: 5, size: 6, seed: 1 }],
    ['seed must be a whole number from 0 to 9007199254740991, got undefined', { count: 5, size: 5 }],
    ['from.position must be at most count, 5, got 6', { count: 5, size: 5, seed: 1, from: { position: 6 } }],
    ['from.epoch must be a whole number from 0 on, got -1', { count: 5, size: 5, seed: 1, from: { epoch: -1 } }],
  ])('%s', (words, options) => {
    expect(() => nn.batches(options as nn.BatchesOptions)).toThrow(`nn.batches: ${words}`);
  });
});
