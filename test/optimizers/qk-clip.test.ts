// Devices: cpu, cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, qkClip, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { bits, numbers, tensor } from './classes.ts';
import { code } from './each-class.ts';

describe.each(devices)('qkClip on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const logits = (values: number[], dtype: 'f32' | 'f64' = 'f32') =>
    Tensor.from(device, values, [values.length], { dtype });

  it('brings the largest logit of each head to the threshold, and leaves the others alone', async () => {
    const [query, key] = [tensor(device, [4, 3], 1, 1, 'f64'), tensor(device, [4, 3], 2, 1, 'f64')];
    const before = [await numbers(query), await numbers(key)];
    qkClip(query, key, logits([400, 99, -1e9, 100], 'f64'));
    for (const [i, weight] of [query, key].entries())
      for (const [k, x] of (await numbers(weight)).entries())
        expect(x).toBe(k < 3 ? before[i]![k]! * 0.5 : before[i]![k]!);
  });

  it.each(['f32', 'f16', 'bf16'] as const)('keeps the bits of %s weights at most at the threshold', async (dtype) => {
    const [query, key] = [tensor(device, [6, 5], 1, 1, dtype), tensor(device, [6, 5], 2, 1, dtype)];
    const before = await bits([query, key]);
    qkClip(query, key, logits([0.7, 0.3, -Infinity]), { threshold: 0.7 });
    expect(await bits([query, key])).toEqual(before);
    qkClip(query, key, logits([2.8, 0.3, 0]), { threshold: 0.7 });
    const after = await bits([query, key]);
    expect(after[0]).not.toBe(before[0]);
    expect((await numbers(query)).slice(10)).toEqual((await numbers(tensor(device, [6, 5], 1, 1, dtype))).slice(10));
  });

  it('takes the whole factor to the queries where heads share keys', async () => {
    const [query, key] = [tensor(device, [8, 3], 1, 1, 'f64'), tensor(device, [2, 3], 2, 1, 'f64')];
    const [q, k] = [await numbers(query), await numbers(key)];
    qkClip(query, key, logits([1, 40, 1, 1], 'f64'), { threshold: 10, keyHeads: 2 });
    expect(await numbers(key)).toEqual(k);
    expect(await numbers(query)).toEqual(q.map((x, i) => (i >= 6 && i < 12 ? x * 0.25 : x)));
  });

  it('refuses what does not fit', () => {
    const w = (rows: number) => Tensor.zeros(device, [rows, 3]);
    const thrown =
      (q: number, k: number, heads: number[], options = {}) =>
      () =>
        qkClip(w(q), w(k), logits(heads), options);
    expect(thrown(5, 4, [1, 1])).toThrow('qkClip: query must have equally many rows for each of 2 heads, got [5,3]');
    expect(thrown(4, 5, [1, 1])).toThrow(code('ERR_SHAPE'));
    expect(thrown(4, 4, [1, 1], { keyHeads: 3 })).toThrow(code('ERR_ARGUMENT'));
    expect(thrown(4, 4, [])).toThrow(code('ERR_ARGUMENT'));
    for (const threshold of [0, -1, Number.NaN, Infinity])
      expect(thrown(4, 4, [1, 1], { threshold })).toThrow(code('ERR_ARGUMENT'));
    expect(() => qkClip(w(4), w(4), Tensor.zeros(device, [2], { dtype: 'bf16' }))).toThrow(code('ERR_DTYPE'));
  });
});
