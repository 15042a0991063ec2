// Devices: cpu, cuda
// Source: formula "is attention among the places of a window, whether rows are moved or summed anew"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

interface Shape {
  heads: number;
  size: number;
  room: number;
  positions: readonly number[];
  refresh?: number;
  scale?: number;
}
const shapes: Readonly<Record<string, Shape>> = {
  'a window of one place': { heads: 1, size: 1, room: 1, positions: [0, 1, 2 ** 31 - 1] },
  'windows that begin, fill and move': { heads: 2, size: 5, room: 4, positions: [-3, 0, 2, 3, 4, 5, 11] },
  'whole vectors': { heads: 3, size: 64, room: 33, positions: [40] },
  'long heads': { heads: 1, size: 129, room: 7, positions: [6, 7], scale: 0.25 },
  'rows that are summed anew': { heads: 2, size: 33, room: 31, positions: [12, 100], refresh: 1 },
};

/** A state as steps leave it: rows of sums that belong to queries, keys and values, so that nothing cancels by chance. */
function operands(on: Device, s: Shape, dtype: 'f32' | 'f64') {
  const { positions, heads, size, room, refresh = 0, scale = 0 } = s;
  const streams = positions.length;
  const draw = (seed: number, shape: number[]) => normal(sizeOf(shape), seed);
  const rows = [streams, heads, room, size];
  const [queries, keys, values] = [draw(1, rows), draw(2, rows), draw(3, rows)];
  const sums = new Float64Array(streams * heads * room * (size + 4));
  for (let pair = 0; pair < streams * heads; ++pair) {
    const before = Math.max(0, positions[Math.floor(pair / heads)]!);
    for (let i = 0; i < room; ++i) {
      const at = (pair * room + i) * (size + 4);
      // Offsets are whole, as far off as the rule lets them be.
      sums[at + size] = (i % 3) - 1;
      for (let j = 0; j < Math.min(before, room); ++j) {
        const [query, key] = [(pair * room + i) * size, (pair * room + j) * size];
        let score = -sums[at + size]!;
        for (let c = 0; c < size; ++c) score += queries[query + c]! * keys[key + c]! * 0.1;
        const weight = 2 ** score;
        for (let c = 0; c < size; ++c) sums[at + c]! += weight * values[key + c]!;
        sums[at + size + 1]! += weight;
      }
      sums[at + size + 2] = sums[at + size + 1]!;
      sums[at + size + 3] = Math.max(...sums.subarray(at, at + size).map(Math.abs));
    }
  }
  const of = (data: Float64Array, shape: number[]) => tensorOf(on, data, shape, dtype);
  const width = [streams, heads * size];
  return {
    q: of(draw(4, width), width),
    k: of(draw(5, width), width),
    v: of(draw(6, width), width),
    positions: tensorOf(on, positions, [streams], 'i32'),
    queries: of(queries.map((x) => x * 0.1), rows), // biome-ignore format: one line
    keys: of(keys, rows),
    values: of(values, rows),
    sums: of(sums, [streams, heads, room, size + 4]),
    out: Tensor.full(on, [streams, heads * size, room], NaN, { dtype }),
    next: Tensor.full(on, [streams], -7, { dtype: 'i32' }),
    recomputed: Tensor.full(on, [streams, heads], -7, { dtype: 'i32' }),
    heads,
    refresh,
    scale,
  };
}

describe.each(devices)('retroactiveAttention on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(Object.entries(shapes))('of %s agrees with the reference', async (_, shape) => {
    for (const dtype of ['f32', 'f64'] as const)
      await expectLikeReference('retroactiveAttention', device, (on) => operands(on, shape, dtype), {
        out: { ulps: 64, of: 'largest' },
        sums: { ulps: 64, of: 'largest' },
        queries: { ulps: 1 },
        keys: { ulps: 0 },
        values: { ulps: 0 },
        next: { ulps: 0 },
        recomputed: { ulps: 0 },
      });
  });

  it('is attention among the places of a window, whether rows are moved or summed anew', async () => {
    const [heads, size, room, steps] = [2, 3, 4, 11];
    const width = heads * size;
    const zeros = (shape: number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
    const rows = [1, heads, room, size];
    const state = {
      queries: zeros(rows),
      keys: zeros(rows),
      values: zeros(rows),
      sums: zeros([1, heads, room, size + 4]),
    };
    const positions = Tensor.zeros(device, [1], { dtype: 'i32' });
    const recomputed = Tensor.zeros(device, [1, heads], { dtype: 'i32' });
    const out = zeros([1, width, room]);
    // Scores that leave 2²⁰ of each other, so that some rows have to be summed anew.
    const data = normal(steps * 3 * width, 7, 3);
    const place = (t: number, part: number) => data.subarray((3 * t + part) * width, (3 * t + part + 1) * width);
    let anew = 0;
    for (let t = 0; t < steps; ++t) {
      const [q, k, v] = [0, 1, 2].map((part) => tensorOf(device, place(t, part), [1, width], 'f64')) as [Tensor, Tensor, Tensor]; // biome-ignore format: one line
      const refresh = t === 8 ? 1 : 0;
      ops.retroactiveAttention(device, { q, k, v, positions, ...state, out, heads, next: positions, recomputed, refresh }); // biome-ignore format: one line
      const counts = await recomputed.read();
      const seen = Math.min(t + 1, room);
      if (refresh) expect(counts).toEqual(Int32Array.of(seen, seen));
      else anew += counts[0]! + counts[1]! - 2;
      const qkv = new Float64Array(seen * 3 * width);
      for (let i = 0; i < seen; ++i)
        for (const part of [0, 1, 2]) qkv.set(place(t + 1 - seen + i, part), (3 * i + part) * width);
      const [expected, logSums] = [zeros([1, seen, width]), zeros([1, heads, seen])];
      ops.attention(device, { qkv: tensorOf(device, qkv, [1, seen, 3 * width], 'f64'), out: expected, logSums, heads, mask: 'none' }); // biome-ignore format: one line
      const whole = await valuesOf(expected);
      const columns = Float64Array.from({ length: width * room }, (_, i) => (i % room < seen ? whole[(i % room) * width + Math.floor(i / room)]! : 0)); // biome-ignore format: one line
      expectClose(await valuesOf(out), columns, { dtype: 'f64', ulps: 2 ** 20, magnitude: 1 });
    }
    expect(await positions.read()).toEqual(Int32Array.of(steps));
    expect(anew).toBeGreaterThan(0);
  });

  it('without out moves the window as with it', async () => {
    for (const shape of Object.values(shapes)) {
      const [one, other] = [operands(device, shape, 'f32'), operands(device, shape, 'f32')];
      ops.retroactiveAttention(device, one);
      ops.retroactiveAttention(device, { ...other, out: undefined, recomputed: undefined });
      for (const name of ['queries', 'keys', 'values', 'sums', 'next'] as const)
        expect(await other[name].read()).toEqual(await one[name].read());
    }
  });
});

const valid = (device: Device) => operands(device, shapes['windows that begin, fill and move']!, 'f32');
describe.each(onlyCpu)('retroactiveAttention', () => {
  refusesWrongFields('retroactiveAttention', valid, ['out', 'next', 'recomputed']);
  refuses('retroactiveAttention', valid, (device) => {
    const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'i32' | 'f16' = 'f32') => Tensor.zeros(device, shape, { dtype }); // biome-ignore format: one line
    const at = 'retroactiveAttention:';
    const q = 'q f32[7, 10]';
    const queries = 'queries f32[7, 2, 4, 5]';
    return [
      [{ heads: 0 }, 'ERR_ARGUMENT', `${at} heads must be at least 1, got 0`],
      [{ refresh: 2 }, 'ERR_ARGUMENT', `${at} refresh must be 0 or 1, got 2`],
      [{ scale: NaN }, 'ERR_ARGUMENT', `${at} scale must be finite, got nan`],
      [{ q: zeros([7, 10], 'f16') }, 'ERR_DTYPE', `${at} q must be f32 or f64, got f16[7, 10]`],
      [{ q: zeros([7, 9]) }, 'ERR_SHAPE', `${at} q must be [streams, heads size], got f32[7, 9]`],
      [{ q: zeros([7, 514]) }, 'ERR_SHAPE', `${at} q must have heads of at most 256 elements, got f32[7, 514]`],
      [{ k: zeros([7, 10], 'f64') }, 'ERR_DTYPE', `${at} k must have q's dtype, got f64[7, 10]`],
      [{ k: zeros([7, 8]) }, 'ERR_SHAPE', `${at} k must have q's shape, got f32[7, 8] for ${q}`],
      [{ v: zeros([7, 10], 'f64') }, 'ERR_DTYPE', `${at} v must have q's dtype, got f64[7, 10]`],
      [{ v: zeros([6, 10]) }, 'ERR_SHAPE', `${at} v must have q's shape, got f32[6, 10] for ${q}`],
      [{ queries: zeros([7, 2, 4, 5], 'f64') }, 'ERR_DTYPE', `${at} queries must have q's dtype, got f64[7, 2, 4, 5]`],
      [{ queries: zeros([7, 2, 20]) }, 'ERR_SHAPE', `${at} queries must be [streams, heads, room, size], got f32[7, 2, 20] for ${q}`], // biome-ignore format: one line
      [{ queries: zeros([7, 2, 0, 5]) }, 'ERR_SHAPE', `${at} queries must be [streams, heads, room, size], got f32[7, 2, 0, 5] for ${q}`], // biome-ignore format: one line
      [{ keys: zeros([7, 2, 4, 5], 'f64') }, 'ERR_DTYPE', `${at} keys and values must have q's dtype, got f64[7, 2, 4, 5]`], // biome-ignore format: one line
      [{ values: zeros([7, 2, 3, 5]) }, 'ERR_SHAPE', `${at} keys and values must have queries' shape, got f32[7, 2, 3, 5] for ${queries}`], // biome-ignore format: one line
      [{ sums: zeros([7, 2, 4, 9], 'f64') }, 'ERR_DTYPE', `${at} sums must have q's dtype, got f64[7, 2, 4, 9]`],
      [{ sums: zeros([7, 2, 4, 5]) }, 'ERR_SHAPE', `${at} sums must be [streams, heads, room, size + 4], got f32[7, 2, 4, 5] for ${queries}`], // biome-ignore format: one line
      [{ positions: zeros([7]) }, 'ERR_DTYPE', `${at} positions must be i32, got f32[7]`],
      [{ positions: zeros([6], 'i32') }, 'ERR_SHAPE', `${at} positions must have one element a stream, got i32[6] for ${q}`], // biome-ignore format: one line
      [{ next: zeros([7]) }, 'ERR_DTYPE', `${at} next must be i32, got f32[7]`],
      [{ next: zeros([7, 1], 'i32') }, 'ERR_SHAPE', `${at} next must have one element a stream, got i32[7, 1] for ${q}`], // biome-ignore format: one line
      [{ recomputed: zeros([7, 2]) }, 'ERR_DTYPE', `${at} recomputed must be i32, got f32[7, 2]`],
      [{ recomputed: zeros([7, 1], 'i32') }, 'ERR_SHAPE', `${at} recomputed must be [streams, heads], got i32[7, 1]`],
      [{ out: zeros([7, 10, 4], 'f64') }, 'ERR_DTYPE', `${at} out must have q's dtype, got f64[7, 10, 4]`],
      [{ out: zeros([7, 4, 10]) }, 'ERR_SHAPE', `${at} out must be [streams, heads size, room], got f32[7, 4, 10] for ${queries}`], // biome-ignore format: one line
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const fields = operands(device, shapes['whole vectors']!, 'f32');
      ops.retroactiveAttention(device, fields);
      return [fields.out, fields.sums, fields.recomputed];
    }));
});
