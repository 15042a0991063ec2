// Devices: cpu, cuda
// Source: property "drops where the numbers of random are below the rate"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('dropout on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s, in place too', async (dtype) => {
    for (const size of awkward)
      for (const [rate, beta] of [
        [0.3, 0],
        [0.9, 1],
        [0, -0.5],
      ] as const) {
        const fields = (on: Device) => ({
          x: tensorOf(on, normal(size, 1), [size], dtype),
          out: beta === 0 ? Tensor.full(on, [size], NaN, { dtype }) : tensorOf(on, normal(size, 2), [size], dtype),
          ...{ rate, beta, seed: 7, stream: 2, offset: 5 },
        });
        await expectLikeReference('dropout', device, fields, { ulps: 3, of: 'largest' });
        if (beta !== 0) continue;
        const { out, ...own } = fields(device);
        ops.dropout(device, { ...own, out });
        ops.dropout(device, { ...own, out: own.x });
        expect(sameBits(await own.x.read(), await out.read())).toBe(true);
      }
  });

  it('drops where the numbers of random are below the rate', async () => {
    const [size, rate] = [10_007, 0.25];
    const place = { seed: 3, stream: 4, offset: 6 };
    const uniform = Tensor.zeros(device, [size]);
    ops.random(device, { x: [uniform], ...place });
    const expected = (await valuesOf(uniform)).map((u) => (u < rate ? 0 : 4 / 3));
    expect(expected.filter((v) => v === 0).length).toBeGreaterThan(size / 5);
    for (const dtype of floatingDtypes) {
      const out = Tensor.full(device, [size], 3, { dtype });
      ops.dropout(device, { x: out, out, rate, ...place });
      expect((await valuesOf(out)).map((v) => v / 3)).toEqual(
        dtype === 'f32' || dtype === 'f64'
          ? expected
          : (
              await valuesOf(
                tensorOf(
                  device,
                  expected.map((v) => 3 * v),
                  [size],
                  dtype,
                ),
              )
            ).map((v) => v / 3),
      );
    }
  });

  it('gives parts of a tensor the numbers of their places', async () => {
    const x = normal(1000, 1);
    const [whole, first, second] = [x, x.subarray(0, 333), x.subarray(333)].map((part) => tensorOf(device, part));
    for (const [part, offset] of [
      [whole!, 10],
      [first!, 10],
      [second!, 343],
    ] as const)
      ops.dropout(device, { x: part, out: part, rate: 0.5, seed: 1, offset });
    expect([...(await valuesOf(first!)), ...(await valuesOf(second!))]).toEqual([...(await valuesOf(whole!))]);
  });

  it('makes what it drops 0, be it NaN or infinite', async () => {
    const x = Tensor.full(device, [64], NaN);
    ops.dropout(device, { x, out: x, rate: 0.5, seed: 1 });
    const values = await valuesOf(x);
    expect(new Set(values)).toEqual(new Set([0, NaN]));
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  out: Tensor.zeros(device, [2, 3]),
  rate: 0.5,
  seed: 1,
});
describe.each(onlyCpu)('dropout', () => {
  refusesWrongFields('dropout', valid);
  refuses('dropout', valid, (device) => {
    const op = 'dropout:';
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    return [
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', `${op} x must be floating, got i32[2, 3]`],
      [{ out: f64 }, 'ERR_DTYPE', `${op} out must have x's dtype, got f64[2, 3]`],
      [{ out: Tensor.zeros(device, [6]) }, 'ERR_SHAPE', `${op} out must have x's shape, got f32[6] for x f32[2, 3]`],
      [{ rate: 1 }, 'ERR_ARGUMENT', `${op} rate must be in [0, 1), got 1`],
      [{ rate: -0.5 }, 'ERR_ARGUMENT', `${op} rate must be in [0, 1), got -0.5`],
      [{ rate: NaN }, 'ERR_ARGUMENT', `${op} rate must be in [0, 1), got nan`],
      [{ seed: -1 }, 'ERR_ARGUMENT', `${op} seed must not be negative, got -1`],
      [{ stream: -1 }, 'ERR_ARGUMENT', `${op} stream must not be negative, got -1`],
      [{ offset: -1 }, 'ERR_ARGUMENT', `${op} offset must not be negative, got -1`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(100_003, 1));
      ops.dropout(device, { x, out: x, rate: 0.5, seed: 1 });
      return [x];
    }));
});
