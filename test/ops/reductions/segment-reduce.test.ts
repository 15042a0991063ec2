// Devices: cpu, cuda
// Source: closed form "keeps what f32 sums and squares would lose"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { segmentReduce as reference } from '../../reference/segment-reduce.ts';
import { expectClose } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('segmentReduce on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const reduced = async (x: Tensor[], y?: Tensor[]) => {
    const out = Tensor.full(device, [x.length, y ? 6 : 4], NaN, { dtype: 'f64' });
    ops.segmentReduce(device, { x, y, out });
    return valuesOf(out);
  };

  it.each(floatingDtypes)('agrees with the reference on a list, %s', async (dtype) => {
    const x = awkward.map((n) => tensorOf(device, normal(n, n + 1), [n], dtype));
    const y = awkward.map((n) => tensorOf(device, normal(n, n + 2), [n], dtype === 'f16' ? 'f32' : dtype));
    const before = await Promise.all([...x, ...y].map((tensor) => tensor.read()));
    const [alone, both] = [await reduced(x), await reduced(x, y)];
    for (const [i, n] of awkward.entries()) {
      const [a, b] = [await valuesOf(x[i]!), await valuesOf(y[i]!)];
      const expected = reference(a, b);
      // Terms of both signs cancel: the errors are relative to the terms.
      const magnitude = reference(a.map(Math.abs), b.map(Math.abs));
      const tolerance = { dtype: 'f64', ulps: 4 + Math.sqrt(n), magnitude } as const;
      expectClose(both.subarray(6 * i, 6 * i + 6), expected, tolerance);
      expect(sameBits(alone.subarray(4 * i, 4 * i + 4), both.subarray(6 * i, 6 * i + 4))).toBe(true);
      expect(both[6 * i + 2]).toBe(expected[2]);
    }
    const after = await Promise.all([...x, ...y].map((tensor) => tensor.read()));
    for (const [i, array] of after.entries()) expect(sameBits(array, before[i]!)).toBe(true);
  });

  it('keeps what f32 sums and squares would lose', async () => {
    const x = tensorOf(device, [2 ** 90, -(2 ** 90), 2 ** 60]);
    expect([...(await reduced([x]))]).toEqual([2 ** 60, 2 ** 91 + 2 ** 60, 2 ** 90, 2 ** 181]);
  });

  it('keeps NaN and infinities to their tensors', async () => {
    const list = [[1, NaN, 2], [Infinity, 1], [-Infinity, Infinity], [-3]].map((v) => tensorOf(device, v));
    const [inf, nan] = [Infinity, NaN];
    expect([...(await reduced(list))]).toEqual([
      ...[nan, nan, nan, nan],
      ...[inf, inf, inf, inf],
      ...[nan, inf, inf, inf],
      ...[-3, 3, 3, 9],
    ]);
    const [x, y] = [tensorOf(device, [1, 0]), tensorOf(device, [NaN, Infinity])];
    expect([...(await reduced([x], [y]))]).toEqual([1, 1, 1, 1, NaN, NaN]);
    expect([...(await reduced([]))]).toEqual([]);
  });
});

const valid = (device: Device) => ({
  x: [Tensor.zeros(device, [3])],
  y: [Tensor.zeros(device, [3])],
  out: Tensor.zeros(device, [1, 6], { dtype: 'f64' }),
});
describe.each(onlyCpu)('segmentReduce', () => {
  refusesWrongFields('segmentReduce', valid, ['y']);
  refuses('segmentReduce', valid, (device) => {
    const f64 = (...shape: number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
    const shape = 'segmentReduce: out must have a row a tensor, of 4 elements, with y 6, got';
    const six = f64(1, 6);
    const [a, b] = [Tensor.zeros(device, [3]), Tensor.zeros(device, [3])];
    return [
      [{ y: [a, b] }, 'ERR_ARGUMENT', 'segmentReduce: y must be as many as x, got 2'],
      [{ out: Tensor.zeros(device, [1, 6]) }, 'ERR_DTYPE', 'segmentReduce: out must be f64, got f32[1, 6]'],
      [{ out: f64(1, 4) }, 'ERR_SHAPE', `${shape} f64[1, 4]`],
      [{ y: undefined }, 'ERR_SHAPE', `${shape} f64[1, 6]`],
      [{ out: f64(6) }, 'ERR_SHAPE', `${shape} f64[6]`],
      [{ out: f64(2, 6) }, 'ERR_SHAPE', `${shape} f64[2, 6]`],
      [{ x: [a.cast('i32')] }, 'ERR_DTYPE', 'segmentReduce: x must be floating, got i32[3]'],
      [{ y: [a.cast('u8')] }, 'ERR_DTYPE', 'segmentReduce: y must be floating, got u8[3]'],
      [
        { y: [Tensor.zeros(device, [1, 3])] },
        'ERR_SHAPE',
        "segmentReduce: y must have x's shape, got f32[1, 3] for x f32[3]",
      ],
      [{ x: [six], y: [f64(1, 6)], out: six }, 'ERR_ARGUMENT', 'segmentReduce: out must not share a tensor with x'],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [x, y] = [1, 2].map((seed) => tensorOf(device, normal(200001, seed)));
      const out = Tensor.zeros(device, [1, 6], { dtype: 'f64' });
      ops.segmentReduce(device, { x: [x!], y: [y!], out });
      return [out];
    }));
});
