// Devices: cpu, cuda
// Values: products of queries and keys in float64, one by one.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, largestLogits, qkClip, SGD, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { thrownBy, valuesOf } from '../support/tensors.ts';

interface Sizes {
  batch: number;
  queries: number;
  keys: number;
  heads: number;
  keyHeads: number;
  size: number;
}

/** The largest of each head, from rows `[batch, places, heads, size]`. */
function reference(q: Float64Array, k: Float64Array, sizes: Sizes, causal: boolean, scale: number): number[] {
  const { batch, queries, keys, heads, keyHeads, size } = sizes;
  return Array.from({ length: heads }, (_, h) => {
    let most = Number.NEGATIVE_INFINITY;
    const own = Math.floor(h / (heads / keyHeads));
    for (let b = 0; b < batch; ++b)
      for (let i = 0; i < queries; ++i)
        for (let j = 0; j < (causal ? i + keys - queries + 1 : keys); ++j) {
          let dot = 0;
          for (let c = 0; c < size; ++c)
            dot += q[((b * queries + i) * heads + h) * size + c]! * k[((b * keys + j) * keyHeads + own) * size + c]!;
          most = Math.max(most, scale * dot);
        }
    return most;
  });
}

describe.each(devices)('largestLogits on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    { batch: 1, queries: 1, keys: 1, heads: 1, keyHeads: 1, size: 1 },
    { batch: 2, queries: 7, keys: 7, heads: 3, keyHeads: 3, size: 2 },
    { batch: 3, queries: 9, keys: 9, heads: 4, keyHeads: 2, size: 3 },
    { batch: 2, queries: 5, keys: 11, heads: 6, keyHeads: 1, size: 2 },
  ])('is that of all products, %j', async (sizes) => {
    const { batch, queries, keys, heads, keyHeads, size } = sizes;
    const q = normal(batch * queries * heads * size, 1);
    const k = normal(batch * keys * keyHeads * size, 2);
    for (const dtype of ['f64', 'f32'] as const) {
      const of = {
        q: Tensor.from(device, q, [batch, queries, heads * size], { dtype: 'f64' }).cast(dtype),
        k: Tensor.from(device, k, [batch, keys, keyHeads * size], { dtype: 'f64' }).cast(dtype),
      };
      for (const causal of [true, false])
        for (const block of [1, 3, 4, 128])
          for (const scale of [undefined, 2]) {
            const found = largestLogits(of, { heads, keyHeads, causal, block, scale });
            expect([found.shape, found.dtype]).toEqual([[heads], dtype]);
            const expected = reference(q, k, sizes, causal, scale ?? 1 / Math.sqrt(size));
            // A sum of `size` products, each off by a rounding or two of its size.
            const allowed = (dtype === 'f64' ? 2 ** -52 : 2 ** -23) * 4 * size * 16;
            for (const [h, x] of (await valuesOf(found)).entries())
              expect(Math.abs(x - expected[h]!), `${dtype} ${causal} ${block}`).toBeLessThanOrEqual(allowed);
          }
    }
  });

  it('takes queries, keys and values side by side, in 16 bits too', async () => {
    const [batch, places, heads, keyHeads, size] = [2, 6, 4, 2, 3];
    const width = (heads + 2 * keyHeads) * size;
    const all = normal(batch * places * width, 3).map((x) => 300 * Math.round(8 * x));
    const cut = (from: number, count: number) =>
      Float64Array.from(
        { length: batch * places * count },
        (_, i) => all[Math.floor(i / count) * width + from + (i % count)]!,
      );
    const sizes = { batch, queries: places, keys: places, heads, keyHeads, size };
    const expected = reference(cut(0, heads * size), cut(heads * size, keyHeads * size), sizes, true, 1);
    // Values that 16 bits hold, and products beyond the range of f16: exact in f32.
    for (const dtype of ['f32', 'f64', 'f16'] as const) {
      const qkv = Tensor.from(device, all, [batch, places, width], { dtype: 'f64' }).cast(dtype);
      const found = largestLogits(qkv, { heads, keyHeads, scale: 1, block: 4 });
      for (const [h, x] of (await valuesOf(found)).entries()) expect(x / expected[h]!, dtype).toBeCloseTo(1, 6);
    }
  });

  it('is −∞ of nothing, and NaN of NaN in its head alone', async () => {
    const none = largestLogits(Tensor.zeros(device, [2, 0, 12]), { heads: 2 });
    expect([...(await valuesOf(none))]).toEqual([-Infinity, -Infinity]);
    const x = Float32Array.from({ length: 12 }, (_, i) => i);
    x[0] = Number.NaN;
    const [first, second] = await valuesOf(largestLogits(Tensor.from(device, x, [1, 1, 12]), { heads: 2 }));
    expect(first).toBe(Number.NaN);
    expect(second).toBeCloseTo((2 * 6 + 3 * 7) / Math.SQRT2, 4);
  });

  it('makes no matrix of all places', async () => {
    const own = Device.open(kind);
    const qkv = Tensor.full(own, [1, 640, 6], 1);
    const { live } = await settledMemory(own);
    const found = largestLogits(qkv, { heads: 1, block: 16 });
    expect(own.info.memory.peak).toBeLessThan(4 * 640 * 640);
    found.dispose();
    await own.synchronize();
    expect(own.info.memory.live).toBe(live);
    await own.close();
  });

  it('refuses what does not fit', () => {
    const thrown = (shape: number[], options: object, k?: number[]) => {
      const q = Tensor.zeros(device, shape);
      return thrownBy(() => largestLogits(k ? { q, k: Tensor.zeros(device, k) } : q, options as { heads: number }));
    };
    expect(thrown([1, 2, 12], { heads: 4, keyHeads: 3 }).message).toContain('keyHeads must divide the 4 heads, got 3');
    expect(thrown([1, 2, 12], {}).code).toBe('ERR_ARGUMENT');
    expect(thrown([1, 2, 13], { heads: 2 }).code).toBe('ERR_SHAPE');
    expect(thrown([2, 12], { heads: 2 }).code).toBe('ERR_SHAPE');
    expect(thrown([1, 3, 4], { heads: 2 }, [1, 2, 4]).message).toContain('k must have a place for each of 3 queries');
    expect(thrown([1, 2, 4], { heads: 2 }, [2, 2, 4]).code).toBe('ERR_SHAPE');
    expect(thrown([1, 2, 4], { heads: 2 }, [1, 2, 6]).code).toBe('ERR_SHAPE');
  });

  it('clips a network of nn.attention, whose logits then are at most the threshold', async () => {
    const [heads, kvHeads, size, width] = [4, 2, 3, 5];
    const random = (shape: number[], seed: number, scale: number) =>
      Tensor.from(
        device,
        normal(
          shape.reduce((a, b) => a * b),
          seed,
          scale,
        ),
        shape,
        { dtype: 'f64' },
      );
    const layer = {
      qkv: { weight: random([(heads + 2 * kvHeads) * size, width], 1, 6) },
      out: { weight: random([width, heads * size], 2, 1) },
    };
    const x = random([2, 8, width], 3, 1);
    using optimizer = new SGD(nn.select(layer, '**'), { lr: 1e-3 });
    using step = nn.valueAndGrad((m: nn.Traced<typeof layer>) =>
      nn.squaredError(nn.attention(m, x, { heads, kvHeads }), x),
    );
    optimizer.step(step(layer).grads);
    using projected = nn.forward((m: typeof layer) => nn.linear(m.qkv, x));
    const largest = () => largestLogits(projected(layer), { heads, keyHeads: kvHeads });
    const before = largest();
    const threshold = 20;
    const values = await valuesOf(before);
    expect(Math.max(...values)).toBeGreaterThan(threshold);
    const [query, key] = [
      layer.qkv.weight.rows(0, heads * size),
      layer.qkv.weight.rows(heads * size, (heads + kvHeads) * size),
    ];
    qkClip(query, key, before, { threshold, keyHeads: kvHeads });
    for (const [h, s] of (await valuesOf(largest())).entries())
      expect(s, `head ${h}`).toBeCloseTo(Math.min(values[h]!, threshold), 8);
  });
});
