// Devices: cpu, cuda
// Source: property "is attention to the last places, whatever lies in a cache that nothing was written to"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose } from '../../support/compare.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { type Floating, floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

interface Shape {
  streams: number;
  places: number;
  heads: number;
  kvHeads?: number;
  size: number;
  room: number;
  positions: readonly number[];
  lengths?: readonly number[];
}
const shapes: Readonly<Record<string, Shape>> = {
  'one place, one element, room for one': { streams: 1, places: 1, heads: 1, size: 1, room: 1, positions: [0] },
  'one place more than there is room': { streams: 1, places: 3, heads: 2, size: 3, room: 2, positions: [0] },
  'streams at places of their own': { streams: 3, places: 2, heads: 2, size: 5, room: 20, positions: [0, 7, 39] },
  'whole vectors': { streams: 2, places: 1, heads: 2, size: 32, room: 64, positions: [50, 64] },
  'more than a block of keys': { streams: 1, places: 2, heads: 1, size: 65, room: 259, positions: [300] },
  'long heads that share keys': { streams: 1, places: 1, heads: 3, kvHeads: 1, size: 129, room: 33, positions: [40] },
  'lengths of some': {
    streams: 5,
    places: 4,
    heads: 4,
    kvHeads: 2,
    size: 4,
    room: 3,
    positions: [0, 0, 5, 2, -7],
    lengths: [0, 1, 3, 9, -1],
  },
};

function operands(on: Device, s: Shape, dtype: Floating) {
  const { streams, places, heads, size, room } = s;
  const kvHeads = s.kvHeads ?? heads;
  const draw = (seed: number, shape: number[]) => tensorOf(on, normal(sizeOf(shape), seed), shape, dtype);
  return {
    qkv: draw(1, [streams, places, (heads + 2 * kvHeads) * size]),
    positions: tensorOf(on, s.positions, [streams], 'i32'),
    lengths: s.lengths && tensorOf(on, s.lengths, [streams], 'i32'),
    keys: draw(2, [streams, kvHeads, size, room]),
    values: draw(3, [streams, kvHeads, room, size]),
    out: Tensor.full(on, [streams, places, heads * size], NaN, { dtype }),
    next: Tensor.full(on, [streams], -7, { dtype: 'i32' }),
    heads,
    kvHeads,
  };
}

describe.each(devices)('cachedAttention on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(Object.entries(shapes))('of %s', (_, shape) => {
    it.each(floatingDtypes)('agrees with the reference in %s', (dtype) =>
      expectLikeReference('cachedAttention', device, (on) => operands(on, shape, dtype), {
        out: { ulps: 16, of: 'largest' },
        keys: { ulps: 0 },
        values: { ulps: 0 },
      }),
    );
  });

  it('is attention to the last places, whatever lies in a cache that nothing was written to', async () => {
    const [places, room, size] = [7, 3, 4];
    const qkv = tensorOf(device, normal(places * 3 * size, 4), [1, places, 3 * size], 'f64');
    const keys = Tensor.full(device, [1, 1, size, room], NaN, { dtype: 'f64' });
    const values = Tensor.full(device, [1, 1, room, size], Infinity, { dtype: 'f64' });
    const positions = Tensor.zeros(device, [1], { dtype: 'i32' });
    const cached = [];
    for (const [from, to] of [
      [0, 2],
      [2, 3],
      [3, 7],
    ] as const) {
      const some = Tensor.zeros(device, [1, to - from, size], { dtype: 'f64' });
      const part = qkv
        .reshape([places, 1, 3 * size])
        .rows(from, to)
        .reshape([1, to - from, 3 * size]);
      ops.cachedAttention(device, { qkv: part, positions, keys, values, out: some, next: positions });
      cached.push(...(await valuesOf(some)));
    }
    expect(await positions.read()).toEqual(Int32Array.of(places));
    const rows = [];
    for (let i = 0; i < places; i += 1) {
      const first = Math.max(0, i + 1 - room);
      const seen = qkv
        .reshape([places, 1, 3 * size])
        .rows(first, i + 1)
        .reshape([1, i + 1 - first, 3 * size]);
      const out = Tensor.zeros(device, [1, i + 1 - first, size], { dtype: 'f64' });
      ops.attention(device, {
        qkv: seen,
        out,
        logSums: Tensor.zeros(device, [1, 1, i + 1 - first], { dtype: 'f64' }),
      });
      rows.push(...(await valuesOf(out)).slice(-size));
    }
    expectClose(Float64Array.from(cached), rows, { dtype: 'f64', ulps: 16, magnitude: 1 });
  });

  it('without out fills the cache as with it', async () => {
    for (const shape of Object.values(shapes)) {
      const [one, other] = [operands(device, shape, 'f32'), operands(device, shape, 'f32')];
      ops.cachedAttention(device, one);
      ops.cachedAttention(device, { ...other, out: undefined });
      for (const name of ['keys', 'values', 'next'] as const)
        expect(await other[name].read()).toEqual(await one[name].read());
    }
  });

  it('is NaN where a NaN or an infinite score is seen, and finite where large or −∞ ones are', async () => {
    const results = [];
    for (const key of [NaN, Infinity, 1e30, -Infinity, -1e30]) {
      const out = Tensor.zeros(device, [1, 1, 1]);
      const keys = tensorOf(device, [key, NaN], [1, 1, 1, 2]);
      const values = tensorOf(device, [5, 7], [1, 1, 2, 1]);
      const positions = tensorOf(device, [1], [1], 'i32');
      ops.cachedAttention(device, { qkv: tensorOf(device, [1, 0, 7], [1, 1, 3]), positions, keys, values, out });
      results.push(...(await out.read()));
    }
    // A key whose score is −∞ has no weight beside the new one, whose value is 7.
    expect(results).toEqual([NaN, NaN, 5, 7, 7]);
  });
});

const valid = (device: Device) => operands(device, shapes['lengths of some']!, 'f32');
describe.each(onlyCpu)('cachedAttention', () => {
  refusesWrongFields('cachedAttention', valid, ['lengths', 'out', 'next']);
  refuses('cachedAttention', valid, (device) => {
    const zeros = (shape: number[], dtype: 'f32' | 'f64' | 'i32' = 'f32') => Tensor.zeros(device, shape, { dtype });
    return [
      [{ heads: 0 }, 'ERR_ARGUMENT', 'cachedAttention: heads must be at least 1, got 0'],
      [{ kvHeads: 3 }, 'ERR_ARGUMENT', 'cachedAttention: kvHeads must divide heads, got 3'],
      [{ scale: Infinity }, 'ERR_ARGUMENT', 'cachedAttention: scale must be finite, got inf'],
      [{ qkv: zeros([5, 4, 32], 'i32') }, 'ERR_DTYPE', 'cachedAttention: qkv must be floating, got i32[5, 4, 32]'],
      [
        { qkv: zeros([20, 32]) },
        'ERR_SHAPE',
        'cachedAttention: qkv must be [batch, places, (heads + 2 kvHeads) size], got f32[20, 32]',
      ],
      [{ lengths: zeros([5]) }, 'ERR_DTYPE', 'cachedAttention: lengths must be i32, got f32[5]'],
      [
        { lengths: zeros([4], 'i32') },
        'ERR_SHAPE',
        'cachedAttention: lengths must have one element a sequence, got i32[4]',
      ],
      [{ positions: zeros([5]) }, 'ERR_DTYPE', 'cachedAttention: positions must be i32, got f32[5]'],
      [
        { positions: zeros([4], 'i32') },
        'ERR_SHAPE',
        'cachedAttention: positions must have one element a stream, got i32[4] for qkv f32[5, 4, 32]',
      ],
      [{ next: zeros([5]) }, 'ERR_DTYPE', 'cachedAttention: next must be i32, got f32[5]'],
      [
        { next: zeros([5, 1], 'i32') },
        'ERR_SHAPE',
        'cachedAttention: next must have one element a stream, got i32[5, 1] for qkv f32[5, 4, 32]',
      ],
      [
        { keys: zeros([5, 2, 4, 3], 'f64') },
        'ERR_DTYPE',
        "cachedAttention: keys must have qkv's dtype, got f64[5, 2, 4, 3]",
      ],
      [
        { keys: zeros([5, 2, 4, 0]) },
        'ERR_SHAPE',
        'cachedAttention: keys must be [streams, kvHeads, size, room], got f32[5, 2, 4, 0] for qkv f32[5, 4, 32]',
      ],
      [
        { values: zeros([5, 2, 3, 4], 'f64') },
        'ERR_DTYPE',
        "cachedAttention: values must have qkv's dtype, got f64[5, 2, 3, 4]",
      ],
      [
        { values: zeros([5, 2, 4, 3]) },
        'ERR_SHAPE',
        'cachedAttention: values must be [streams, kvHeads, room, size], got f32[5, 2, 4, 3] for keys f32[5, 2, 4, 3]',
      ],
      [{ out: zeros([5, 4, 16], 'f64') }, 'ERR_DTYPE', "cachedAttention: out must have qkv's dtype, got f64[5, 4, 16]"],
      [
        { out: zeros([5, 4, 15]) },
        'ERR_SHAPE',
        'cachedAttention: out must be [streams, places, heads size], got f32[5, 4, 15] for qkv f32[5, 4, 32]',
      ],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) =>
      Object.values(shapes).map((shape) => {
        const fields = operands(device, shape, 'f32');
        ops.cachedAttention(device, fields);
        return fields.out;
      }),
    ));
});
