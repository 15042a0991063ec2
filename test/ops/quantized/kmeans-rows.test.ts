// Devices: cpu, cuda
// Source: closed form "has the values of a row that has no more of them, the last one repeated"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const fieldsOf = (rows: number, columns: number, clusters: number) => (on: Device) => ({
  x: tensorOf(on, normal(rows * columns, 7), [rows, columns]),
  codebooks: Tensor.full(on, [rows, clusters], NaN),
});

/** Σ of the squared distances to the nearest number. */
const costOf = (x: ArrayLike<number>, book: ArrayLike<number>): number => {
  let sum = 0;
  for (const v of Array.from(x)) sum += Math.min(...Array.from(book, (c) => (v - c) ** 2));
  return sum;
};

/** The least cost of all splits of the sorted numbers, by the plain recurrence. */
function leastCost(numbers: ArrayLike<number>, clusters: number): number {
  const x = Float64Array.from(numbers).sort();
  const n = x.length;
  const [s, q] = [new Float64Array(n + 1), new Float64Array(n + 1)];
  for (let i = 0; i < n; ++i) [s[i + 1], q[i + 1]] = [s[i]! + x[i]!, q[i]! + x[i]! ** 2];
  let best = Float64Array.from({ length: n + 1 }, (_, j) => (j ? q[j]! - s[j]! ** 2 / j : 0));
  for (let k = 1; k < clusters; ++k)
    best = best.map((_, j) => {
      let least = Infinity;
      for (let i = k; i < j; ++i) least = Math.min(least, best[i]! + q[j]! - q[i]! - (s[j]! - s[i]!) ** 2 / (j - i));
      return j > k ? least : Infinity;
    });
  return best[n]!;
}

describe.each(devices)('kmeans_rows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const means = async (rows: number[][], clusters: number, seed = 0): Promise<number[][]> => {
    const x = tensorOf(device, rows.flat(), [rows.length, rows[0]!.length]);
    const codebooks = Tensor.full(device, [rows.length, clusters], NaN);
    ops.kmeansRows(device, { x, codebooks, seed });
    const values = [...(await valuesOf(codebooks))];
    return rows.map((_, i) => values.slice(i * clusters, (i + 1) * clusters));
  };

  it.each([
    [5, 97, 4],
    [3, 200, 16],
    [1, 33, 1],
    [4, 31, 31],
    [4, 3, 8],
  ])('of %i rows of %i numbers, %i means', (...given) =>
    expectLikeReference('kmeansRows', device, fieldsOf(...given), { ulps: 4, of: 'largest' }),
  );

  it('has the values of a row that has no more of them, the last one repeated', async () => {
    expect(await means([[2, 1, 2, 1], [3, 3, 3, 3], [0, -0, 5, 5]], 3)).toEqual([[1, 2, 2], [3, 3, 3], [expect.closeTo(0), 5, 5]]); // biome-ignore format: one line
  });

  it('finds clusters far apart, of any size of numbers', async () => {
    for (const size of [1e-40, 1e-3, 1, 1e30]) {
      const [low, high, most] = [size, 2 * size, 7 * size].map(Math.fround) as [number, number, number];
      const row = [low, low, low, high, high, most];
      const found = (await means([row], 2))[0]!;
      expect(found[0]! / size).toBeCloseTo(1.4, 5);
      expect(found[1]! / size).toBeCloseTo(7, 5);
    }
  });

  it('finds the least of all costs among 512 values, and one near it among more', async () => {
    for (const [n, clusters, within] of [
      [512, 4, 1e-6],
      [1500, 4, 2e-3],
      [1500, 16, 1e-2],
    ] as const) {
      const row = Array.from(normal(n, 11), Math.fround);
      const cost = costOf(row, (await means([row], clusters, 5))[0]!);
      const least = leastCost(row, clusters);
      expect(cost).toBeGreaterThan(least * (1 - 1e-6));
      expect(cost).toBeLessThan(least * (1 + within));
    }
  });

  it('gives a row with NaN or infinity NaN, and no other', async () => {
    const rows = await means([[1, NaN, 2], [1, Infinity, 2], [1, 2, 4]], 2); // biome-ignore format: one line
    expect(rows).toEqual([[NaN, NaN], [NaN, NaN], [1.5, 4]]); // biome-ignore format: one line
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.kmeansRows(device, { ...fieldsOf(2, 3, 2)(device), ...more })).code;
    expect(code({ x: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ x: Tensor.zeros(device, [2, 0]) })).toBe('ERR_SHAPE');
    expect(code({ codebooks: Tensor.zeros(device, [2, 2], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(code({ codebooks: Tensor.zeros(device, [3, 2]) })).toBe('ERR_SHAPE');
    expect(code({ codebooks: Tensor.zeros(device, [2, 257]) })).toBe('ERR_SHAPE');
    expect(code({ seed: -1 })).toBe('ERR_ARGUMENT');
  });
});
