// Devices: cpu, cuda
// Source: property "as a sort of all elements that keeps the order of equal ones: %s"
// Source: closed form "zeros, subnormals, infinities and NaN have their places: %s"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const orders = ['value', 'size'] as const;

describe.each(devices)('topK on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const taken = async (x: Tensor, k: number, order: 'value' | 'size') => {
    using index = Tensor.full(device, [k], -1, { dtype: 'i32' });
    using values = Tensor.full(device, [k], 7, { dtype: x.dtype });
    ops.topK(device, { x, index, values, order });
    return { index: [...(await index.read())], values: [...(await valuesOf(values))] };
  };

  it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
    for (const [i, size] of awkward.entries()) {
      const k = [size, Math.ceil(size / 3), Math.min(1, size)][i % 3]!;
      await expectLikeReference(
        'topK',
        device,
        (on) => ({
          x: tensorOf(on, normal(size, size), [size], dtype),
          index: Tensor.full(on, [k], -1, { dtype: 'i32' }),
          values: Tensor.full(on, [k], 7, { dtype }),
          order: orders[i % 2]!,
        }),
        { ulps: 0 },
      );
    }
  });

  it.each(['f32', 'f64'] as const)(
    'as a sort of all elements that keeps the order of equal ones: %s',
    async (dtype) => {
      // Ties, neighbours of one exponent, and more elements than are sorted whole.
      const x = tensorOf(
        device,
        normal(70_001, 3).map((v, i) => (i % 3 === 0 ? 1 + i * 2 ** -23 : i % 7 === 0 ? -0.5 : v)),
        [70_001],
        dtype,
      );
      const stored = [...(await valuesOf(x))];
      for (const order of orders) {
        const key = stored.map((v) => (order === 'size' ? Math.abs(v) : v));
        const sorted = key.map((_, i) => i).sort((a, b) => key[b]! - key[a]! || a - b);
        for (const k of order === 'size' ? [7000] : [1, 70_001]) {
          const own = await taken(x, k, order);
          expect(own.index).toEqual(sorted.slice(0, k));
          expect(own.values).toEqual(sorted.slice(0, k).map((i) => stored[i]!));
        }
      }
    },
  );

  it('finds elements that a sample misses, and no more than asked for where it meets many', async () => {
    // A sample takes every third element of these, and at 80,000 every fifth.
    const rare = Float32Array.from({ length: 70_000 }, (_, i) => (i % 3 === 1 && i < 9000 ? 9 + i : Math.sin(i)));
    const common = Float32Array.from({ length: 80_000 }, (_, i) => (i % 5 === 0 ? 7 + (i % 11) : -i));
    for (const [values, k] of [
      [rare, 2000],
      [common, 300],
      [new Float32Array(70_000).fill(2), 5],
    ] as const) {
      const own = await taken(tensorOf(device, [...values], [values.length]), k, 'value');
      const sorted = Array.from(values, (_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
      expect(own.index).toEqual(sorted.slice(0, k));
    }
  });

  it.each(['f32', 'f64'] as const)('zeros, subnormals, infinities and NaN have their places: %s', async (dtype) => {
    const tiny = dtype === 'f32' ? 2 ** -149 : 5e-324;
    const values = [-0, tiny, 0, -Infinity, NaN, -2 * tiny, 3, -3, NaN, Infinity];
    const equal = {
      value: [[4, 8], [9], [6], [1], [0, 2], [5], [7], [3]],
      size: [[4, 8], [3, 9], [6, 7], [5], [1], [0, 2]],
    };
    for (const [repeat, by] of [
      [1, 'value'],
      [1, 'size'],
      [7000, 'size'],
    ] as const) {
      // biome-ignore format: one line
      const x = tensorOf(
          device,
          Array.from({ length: 10 * repeat }, (_, i) => values[i % 10]!),
          [10 * repeat],
          dtype,
        );
      const own = await taken(x, 10 * repeat, by);
      const repeated = (group: readonly number[]) =>
        Array.from({ length: repeat }, (_, i) => group.map((at) => 10 * i + at)).flat();
      const expected = equal[by].flatMap(repeated);
      expect(own.index).toEqual(expected);
      expect(own.values).toEqual(expected.map((i) => values[i % 10]!));
    }
  });

  it('of more equal elements than are asked for the first ones, of a part of a tensor too', async () => {
    const x = Tensor.full(device, [70_003], -2);
    expect(await taken(x, 0, 'size')).toEqual({ index: [], values: [] });
    expect((await taken(x, 3, 'value')).index).toEqual([0, 1, 2]);
    const all = tensorOf(device, [9, 1, 5, 1, 5, 3], [3, 2]);
    expect(await taken(all.rows(1, 3), 2, 'value')).toEqual({ index: [0, 2], values: [5, 5] });
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  index: Tensor.zeros(device, [4], { dtype: 'i32' }),
  values: Tensor.zeros(device, [4]),
});
describe.each(onlyCpu)('topK', () => {
  refusesWrongFields('topK', valid, ['values']);
  refuses('topK', valid, (device) => {
    const i32 = (...shape: number[]) => Tensor.zeros(device, shape, { dtype: 'i32' });
    return [
      [{ x: i32(2, 3) }, 'ERR_DTYPE', 'topK: x must be floating, got i32[2, 3]'],
      [{ index: Tensor.zeros(device, [4]) }, 'ERR_DTYPE', 'topK: index must be i32, got f32[4]'],
      [
        { index: i32(7) },
        'ERR_SHAPE',
        'topK: index must have at most as many elements as x, got i32[7] for x f32[2, 3]',
      ],
      [
        { values: Tensor.zeros(device, [4], { dtype: 'f64' }) },
        'ERR_DTYPE',
        "topK: values must have x's dtype, got f64[4]",
      ],
      [
        { values: Tensor.zeros(device, [3]) },
        'ERR_SHAPE',
        'topK: values must have the shape of index, got f32[3] for index i32[4]',
      ],
      [{ order: 'magnitude' }, 'ERR_ARGUMENT', "topK: order must be one of 'value', 'size', got 'magnitude'"],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const index = Tensor.zeros(device, [150_000], { dtype: 'i32' });
      ops.topK(device, { x: tensorOf(device, normal(1_200_000, 1)), index, order: 'size' });
      return [index];
    }));
});
