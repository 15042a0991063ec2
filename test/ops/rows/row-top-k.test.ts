// Devices: cpu, cuda
// Source: property "draws columns as often as the softmax says"
// Source: closed form "orders equal elements by column, and takes NaN for the largest"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf } from '../../support/tensors.ts';

describe.each(devices)('rowTopK on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const shapes: readonly (readonly [number, number])[] = [
    [1, 1],
    [3, 2],
    [31, 33],
    [7, 600],
    [3, 5000],
    [0, 4],
  ];
  describe.each(['f32', 'f64', 'f16', 'bf16'] as const)('in %s', (dtype) => {
    it.each(shapes)('agrees with the reference on %i rows of %i columns', async (rows, columns) => {
      const fields = (k: number, more: object) => (on: Device) => ({
        x: tensorOf(on, normal(rows * columns, 1), [rows, columns], dtype),
        index: Tensor.full(on, [rows, k], -1, { dtype: 'i32' }),
        values: Tensor.full(on, [rows, k], NaN, { dtype }),
        ...more,
      });
      const drawn = { noise: 'gumbel', seed: 3, offset: 5, stream: 2, temperature: 0.7 };
      for (const k of [1, Math.min(3, columns)])
        for (const more of [{}, drawn, { ...drawn, among: 5 }, { ...drawn, temperature: 0 }])
          await expectLikeReference('rowTopK', device, fields(k, more), { ulps: 0 });
      if (columns <= 33) await expectLikeReference('rowTopK', device, fields(columns, {}), { ulps: 0 });
    });
  });

  const indices = async (x: Tensor, k: number, more: object = {}) => {
    const index = Tensor.full(device, [...x.shape.slice(0, -1), k], -1, { dtype: 'i32' });
    ops.rowTopK(device, { x, index, ...more });
    return [...(await index.read())];
  };

  it('orders equal elements by column, and takes NaN for the largest', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    expect(await indices(tensorOf(device, [1, 2, 2, 1, 2], [1, 5]), 5)).toEqual([1, 2, 4, 0, 3]);
    expect(await indices(tensorOf(device, [1, nan, inf, -inf, nan], [1, 5]), 5)).toEqual([1, 2, 4, 0, 3]);
    expect(await indices(tensorOf(device, [-inf, -inf, -inf], [1, 3]), 2)).toEqual([0, 1]);
    expect(await indices(tensorOf(device, [0, -0, 5], [3]), 2)).toEqual([2, 0]);
  });

  it('draws columns as often as the softmax says', async () => {
    const [p, rows, temperature] = [[0.5, 0.25, 0.125, 0.125], 20000, 2];
    const logits = p.map((x) => temperature * Math.log(x));
    const x = tensorOf(device, Array.from({ length: rows }, () => logits).flat(), [rows, 4]);
    const share = async (more: object) => {
      const draws = await indices(x, 1, { noise: 'gumbel', seed: 7, temperature, ...more });
      return p.map((_, j) => draws.filter((draw) => draw === j).length / rows);
    };
    // Four standard deviations of a share.
    const near = (shares: number[], expected: number[]) => {
      for (const [j, own] of shares.entries())
        expect(Math.abs(own - expected[j]!)).toBeLessThanOrEqual(
          4 * Math.sqrt((expected[j]! * (1 - expected[j]!)) / rows),
        );
    };
    near(await share({}), p);
    near(await share({ among: 2 }), [2 / 3, 1 / 3, 0, 0]);
    expect(await share({ temperature: 0 })).toEqual([1, 0, 0, 0]);
  });

  it('draws the same numbers wherever a row lies, and others at another place', async () => {
    const x = tensorOf(device, normal(64 * 10, 1), [64, 10]);
    const drawn = { noise: 'gumbel', seed: 1 };
    const all = await indices(x, 1, drawn);
    expect(await indices(x.rows(32, 64), 1, { ...drawn, offset: 320 })).toEqual(all.slice(32));
    expect(await indices(x, 1, { ...drawn, offset: 640 })).not.toEqual(all);
    expect(await indices(x, 1, { ...drawn, stream: 1 })).not.toEqual(all);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  index: Tensor.zeros(device, [2, 2], { dtype: 'i32' }),
  values: Tensor.zeros(device, [2, 2]),
});
describe.each(onlyCpu)('rowTopK', () => {
  refusesWrongFields('rowTopK', valid, ['values']);
  refuses('rowTopK', valid, (device) => {
    const op = 'rowTopK';
    const i32 = (...shape: number[]) => Tensor.zeros(device, shape, { dtype: 'i32' });
    return [
      [{ x: i32(2, 3) }, 'ERR_DTYPE', `${op}: x must be floating, got i32[2, 3]`],
      [{ x: Tensor.zeros(device, []) }, 'ERR_SHAPE', `${op}: x must have an axis, got f32[]`],
      [{ index: Tensor.zeros(device, [2, 2]) }, 'ERR_DTYPE', `${op}: index must be i32, got f32[2, 2]`],
      [{ index: i32(3, 2) }, 'ERR_SHAPE', `${op}: index must have a row a row of x, got i32[3, 2] for x f32[2, 3]`],
      [
        { index: i32(2, 4) },
        'ERR_SHAPE',
        `${op}: index must have at most as many columns as x, got i32[2, 4] for x f32[2, 3]`,
      ],
      [{ among: 1 }, 'ERR_ARGUMENT', `${op}: among must be 0 or at least the columns of index, got 1`],
      [
        { values: Tensor.zeros(device, [2, 2], { dtype: 'f64' }) },
        'ERR_DTYPE',
        `${op}: values must have x's dtype, got f64[2, 2]`,
      ],
      [
        { values: Tensor.zeros(device, [2, 1]) },
        'ERR_SHAPE',
        `${op}: values must have the shape of index, got f32[2, 1] for index i32[2, 2]`,
      ],
      [{ temperature: -1 }, 'ERR_ARGUMENT', `${op}: temperature must not be negative, got -1`],
      [{ seed: -1 }, 'ERR_ARGUMENT', `${op}: seed must not be negative, got -1`],
      [{ stream: -1 }, 'ERR_ARGUMENT', `${op}: stream must not be negative, got -1`],
      [{ offset: -1 }, 'ERR_ARGUMENT', `${op}: offset must leave all elements below 2^62, got -1`],
      [{ noise: 'normal' }, 'ERR_ARGUMENT', `${op}: noise must be one of 'none', 'gumbel', got 'normal'`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const index = Tensor.zeros(device, [3000, 3], { dtype: 'i32' });
      const x = tensorOf(device, normal(3000 * 43, 1), [3000, 43]);
      ops.rowTopK(device, { x, index, among: 9, noise: 'gumbel', seed: 1 });
      return [index];
    }));
});
