// Devices: cpu, cuda
// Source: closed form "puts rows into one slot and gives what was there"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { dtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('ringWrite on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [0, 3, 5],
    [5, 2, 0],
    [1, 1, 1],
    [31, 5, 43],
    [33, 3, 64],
    [2, 4, 4097],
  ])('%i streams of %i slots of %i elements', async (streams, slots, size) => {
    for (const dtype of dtypes) {
      const draw = (on: Device, seed: number, shape: number[]) =>
        tensorOf(on, normal(shape.reduce((a, b) => a * b), seed, 100), shape, dtype); // biome-ignore format: one line
      const fields = (on: Device) => ({
        ring: draw(on, 1, [streams, slots, size]),
        x: draw(on, 2, [streams, size]),
        old: Tensor.full(on, [streams, size], 1, { dtype }),
        slot: slots - 1,
      });
      await expectLikeReference('ringWrite', device, fields, { ulps: 0 });
    }
  });

  it('puts rows into one slot and gives what was there', async () => {
    const ring = tensorOf(device, [1, 2, 3, 4, 5, 6], [2, 3, 1]);
    const [x, old] = [tensorOf(device, [NaN, -0], [2, 1]), tensorOf(device, [0, 0], [2, 1])];
    ops.ringWrite(device, { ring, x, old, slot: 1 });
    expect(await valuesOf(ring)).toEqual(Float64Array.of(1, NaN, 3, 4, -0, 6));
    expect(await valuesOf(old)).toEqual(Float64Array.of(2, 5));
    ops.ringWrite(device, { ring, x: old });
    expect(await valuesOf(ring)).toEqual(Float64Array.of(2, NaN, 3, 5, -0, 6));
  });
});

const valid = (device: Device) => ({
  ring: Tensor.zeros(device, [2, 3, 4]),
  x: Tensor.zeros(device, [2, 4]),
  old: Tensor.zeros(device, [2, 4]),
  slot: 1,
});
describe.each(onlyCpu)('ringWrite', () => {
  refusesWrongFields('ringWrite', valid, ['old']);
  refuses('ringWrite', valid, (device) => {
    const zeros = (shape: number[], dtype: 'f32' | 'f64' = 'f32') => Tensor.zeros(device, shape, { dtype });
    const slot = (name: string) => `ringWrite: ${name} must be a slot of ring, got`;
    return [
      [{ ring: zeros([2, 4]) }, 'ERR_SHAPE', 'ringWrite: ring must be [streams, slots, size], got f32[2, 4]'],
      [{ x: zeros([2, 4], 'f64') }, 'ERR_DTYPE', "ringWrite: x must have ring's dtype, got f64[2, 4]"],
      [{ x: zeros([3, 4]) }, 'ERR_SHAPE', `${slot('x')} f32[3, 4] for ring f32[2, 3, 4]`],
      [{ x: zeros([2, 1, 4]) }, 'ERR_SHAPE', `${slot('x')} f32[2, 1, 4] for ring f32[2, 3, 4]`],
      [{ old: zeros([2, 4], 'f64') }, 'ERR_DTYPE', "ringWrite: old must have ring's dtype, got f64[2, 4]"],
      [{ old: zeros([2, 5]) }, 'ERR_SHAPE', `${slot('old')} f32[2, 5] for ring f32[2, 3, 4]`],
      [{ slot: 3 }, 'ERR_ARGUMENT', "ringWrite: slot must be one of ring's, got 3"],
      [{ slot: -1 }, 'ERR_ARGUMENT', "ringWrite: slot must be one of ring's, got -1"],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const ring = tensorOf(device, normal(597 * 3 * 43, 1), [597, 3, 43]);
      ops.ringWrite(device, { ring, x: tensorOf(device, normal(597 * 43, 2), [597, 43]), slot: 2 });
      return [ring];
    }));
});
