// Devices: cpu, cuda
// Source: closed form "finds rows of whole numbers in every order of ties"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy } from '../../support/tensors.ts';

const metrics = ['dot', 'cosine', 'l2'] as const;
type Metric = (typeof metrics)[number];

interface Case {
  readonly queries: number;
  readonly rows: number;
  readonly dim: number;
  readonly k: number;
}
const cases: readonly Case[] = [
  { queries: 1, rows: 1, dim: 1, k: 1 },
  { queries: 3, rows: 97, dim: 33, k: 97 },
  { queries: 5, rows: 1025, dim: 31, k: 7 },
  { queries: 65, rows: 300, dim: 16, k: 3 },
  { queries: 2, rows: 40, dim: 1031, k: 4 },
  { queries: 0, rows: 5, dim: 3, k: 2 },
  { queries: 2, rows: 5, dim: 3, k: 0 },
];

describe.each(devices)('nearestRows on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const results = (on: Device, { queries, k }: Case) => ({
    index: Tensor.full(on, [queries, k], 0, { dtype: 'i32' }),
    scores: Tensor.full(on, [queries, k], NaN, { dtype: 'f64' }),
  });
  const codesOf = (on: Device, size: number, seed: number): Tensor =>
    Tensor.from(
      on,
      Uint8Array.from(normal(size, seed), (x) => 128 + 50 * x),
      [size],
    );

  describe.each(metrics)('by %s', (metric) => {
    it.each(cases)('agrees with the reference, $queries × $rows × $dim, k $k', async (own) => {
      const { queries, rows, dim } = own;
      for (const dtype of ['f32', 'f16'] as const)
        await expectLikeReference(
          'nearestRows',
          device,
          (on) => ({
            queries: tensorOf(on, normal(queries * dim, 1), [queries, dim]),
            rows: tensorOf(on, normal(rows * dim, 2), [rows, dim], dtype),
            ...results(on, own),
            metric,
          }),
          { ulps: 64, of: 'largest' },
        );
      await expectLikeReference(
        'nearestRows',
        device,
        (on) => ({
          queries: tensorOf(on, normal(queries * dim, 1), [queries, dim]),
          rows: codesOf(on, rows * dim, 3).reshape([rows, dim]),
          ranges: tensorOf(on, normal(2 * rows, 4), [rows, 2]),
          residuals: codesOf(on, rows * dim, 5).reshape([rows, dim]),
          residualRanges: tensorOf(on, normal(2 * rows, 6, 1e-2), [rows, 2]),
          ...results(on, own),
          metric,
        }),
        { ulps: 64, of: 'largest' },
      );
    });
  });

  const found = async (queries: number[], rows: number[], dim: number, k: number, metric: Metric) => {
    const [q, n] = [queries.length / dim, rows.length / dim];
    const out = results(device, { queries: q, rows: n, dim, k });
    ops.nearestRows(device, {
      queries: tensorOf(device, queries, [q, dim]),
      rows: tensorOf(device, rows, [n, dim]),
      ...out,
      metric,
    });
    return { index: [...(await out.index.read())], scores: [...(await out.scores.read())] };
  };

  it('finds rows of whole numbers in every order of ties', async () => {
    // Rows of six values, each of which stands a hundred times; of equal ones the lower row.
    const rows = Array.from({ length: 600 }, (_, i) => [i % 6, 1]).flat();
    const fives = Array.from({ length: 100 }, (_, i) => 5 + 6 * i);
    expect((await found([1, 0], rows, 2, 100, 'dot')).index).toEqual(fives);
    expect((await found([5, 1], rows, 2, 100, 'l2')).index).toEqual(fives);
    expect((await found([5, 1], rows, 2, 101, 'cosine')).index).toEqual([...fives, 4]);
  });

  it('has the order of f64 where f32 has another', async () => {
    // In f32 the sums are 2^25 ± 2, and the small terms are lost, or added in another order.
    const rows = [2 ** 25, 1, 1, 2 ** 25, 1, 0, 2 ** 25, 2, 1, 2 ** 25, 0, 0];
    const { index, scores } = await found([1, 1, 1], rows, 3, 4, 'dot');
    expect(index).toEqual([2, 0, 1, 3]);
    expect(scores).toEqual([2 ** 25 + 3, 2 ** 25 + 2, 2 ** 25 + 1, 2 ** 25]);
  });

  it('is exact far from the origin, and at the ends of the range of f32', async () => {
    const far = Array.from({ length: 200 }, (_, i) => [4096 + i / 1024, -4096]).flat();
    const near = await found([4096 + 77.4 / 1024, -4096], far, 2, 3, 'l2');
    expect(near.index).toEqual([77, 78, 76]);
    for (const scale of [1e-42, 1e-30, 1e30, 2e38]) {
      const rows = [1, 0, 1, 1, 0, 1, -1, 1].map((x) => x * scale);
      expect((await found([3 * scale * 0.3, scale * 0.5], rows, 2, 4, 'cosine')).index).toEqual([1, 0, 2, 3]);
    }
  });

  it('puts rows without a score last', async () => {
    expect(await found([1, 0], [0, 0, -1, 0, NaN, 1, 1, 0], 2, 4, 'cosine')).toEqual({
      index: [3, 1, 0, 2],
      scores: [1, -1, -Infinity, -Infinity],
    });
  });

  it('refuses what does not fit', () => {
    const queries = Tensor.zeros(device, [2, 3]);
    const rows = Tensor.zeros(device, [4, 3]);
    const index = Tensor.zeros(device, [2, 1], { dtype: 'i32' });
    const scores = Tensor.zeros(device, [2, 1], { dtype: 'f64' });
    const codes = Tensor.zeros(device, [4, 3], { dtype: 'u8' });
    const ranges = Tensor.zeros(device, [4, 2]);
    const whole = { queries, rows, index, scores };
    const thrown = (fields: object) =>
      thrownBy(() => ops.nearestRows(device, { ...whole, ...fields } as Parameters<typeof ops.nearestRows>[1])).code;
    expect(thrown({ queries: Tensor.zeros(device, [2, 3], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(thrown({ queries: Tensor.zeros(device, [3]) })).toBe('ERR_SHAPE');
    expect(thrown({ rows: Tensor.zeros(device, [4, 3], { dtype: 'f64' }) })).toBe('ERR_DTYPE');
    expect(thrown({ rows: Tensor.zeros(device, [4, 2]) })).toBe('ERR_SHAPE');
    expect(thrown({ index: Tensor.zeros(device, [2, 1]) })).toBe('ERR_DTYPE');
    expect(thrown({ index: Tensor.zeros(device, [3, 1], { dtype: 'i32' }) })).toBe('ERR_SHAPE');
    expect(thrown({ index: Tensor.zeros(device, [2, 5], { dtype: 'i32' }) })).toBe('ERR_SHAPE');
    expect(thrown({ scores: Tensor.zeros(device, [2, 1]) })).toBe('ERR_DTYPE');
    expect(thrown({ scores: Tensor.zeros(device, [1, 2], { dtype: 'f64' }) })).toBe('ERR_SHAPE');
    expect(thrown({ ranges })).toBe('ERR_ARGUMENT');
    expect(thrown({ rows: codes })).toBe('ERR_ARGUMENT');
    expect(thrown({ rows: codes, ranges: Tensor.zeros(device, [3, 2]) })).toBe('ERR_SHAPE');
    expect(thrown({ residuals: codes, residualRanges: ranges })).toBe('ERR_ARGUMENT');
    expect(thrown({ rows: codes, ranges, residuals: codes })).toBe('ERR_ARGUMENT');
    expect(thrown({ rows: codes, ranges, residuals: rows, residualRanges: ranges })).toBe('ERR_DTYPE');
    expect(thrown({ rows: codes, ranges, residuals: queries.cast('u8'), residualRanges: ranges })).toBe('ERR_SHAPE');
    expect(thrown({ rows: codes, ranges, residuals: codes, residualRanges: Tensor.zeros(device, [4, 3]) })).toBe(
      'ERR_SHAPE',
    );
  });
});
